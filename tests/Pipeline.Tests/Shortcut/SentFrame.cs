using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Shortcut;

/// <summary>A frame and the port it comes by.</summary>
internal sealed record SentFrame(string Port, byte[] Bytes, VirtioNetHeader Offload);
