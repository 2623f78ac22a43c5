using System.Text.Json;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>A handler's result: how to write it, what is to follow once it is on its way, and what in any case when it is done with.</summary>
internal readonly record struct Answer(Action<Utf8JsonWriter> Write, Action? Sent = null, Action? Done = null);
