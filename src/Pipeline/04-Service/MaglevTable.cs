using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Which candidate of a <see cref="BackendSet"/> a flow gets (Eisenbud et al., Maglev, NSDI 2016, section 3.4): every node with the same seed says
/// the same, and when a backend comes or goes few flows move. Immutable; made by the configuration's writer, two bytes an entry.
/// </summary>
/// <param name="entries">Candidate numbers; their count is a prime.</param>
public sealed class MaglevTable(ushort[] entries, MaglevSeed seed)
{
    public int Size => entries.Length;

    public MaglevSeed Seed => seed;

    public int this[int index] => entries[index];

    /// <summary>The flow's place in the table.</summary>
    /// <param name="hasPort">False for session affinity.</param>
    public int IndexOf(in FlowKey key, bool hasPort) => (int)(JenkinsHash.Flow(key, hasPort, seed) % (uint)entries.Length);
}
