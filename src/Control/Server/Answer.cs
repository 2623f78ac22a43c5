using System.Text.Json;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>A handler's result: how to write it, and what is to follow once it is on its way.</summary>
internal readonly record struct Answer(Action<Utf8JsonWriter> Write, Action? Sent = null);
