using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Trace.Tests;

/// <summary>Something that is set up wrong, the packet that suffers, and what a trace says about it.</summary>
/// <param name="Verdict">Of the packet.</param>
/// <param name="Cause">The sentence that names the cause: of the summary where it is dropped or held, else of a remark.</param>
/// <param name="Cure">What to do; part of the cause where that is a remark.</param>
internal sealed record Misconfiguration(string Name, Action<TestNode> Prepare, TracePacket Packet, string Verdict, string Cause, string Cure)
{
    /// <summary>Differences of the node from the walk-through's.</summary>
    public Func<LocalNodeSpec, LocalNodeSpec> Local { get; init; } = spec => spec;

    public int ConntrackCapacity { get; init; } = 4096;

    public int SnatCapacity { get; init; } = 1024;

    public ushort NodePortLast { get; init; } = 32767;

    public override string ToString() => Name;
}
