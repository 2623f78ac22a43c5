using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The rules of one endpoint in one direction: identity of the peer -> class of peers with equal rules -> port. Immutable; a change copies the page
/// that it changes. Peers that no rule names are of class 0.
/// </summary>
/// <param name="pages">A power of two of them; each holds identity &lt;&lt; 32 | class of the identities that fall to it.</param>
/// <param name="classes">Rules of each class.</param>
public sealed class PolicyMap(ulong[][] pages, PortRules[] classes)
{
    public PolicyDecision Lookup(uint identity, IpProtocol protocol, ushort port)
    {
        foreach (ulong entry in pages[PageOf(identity, pages.Length)])
        {
            if ((uint)(entry >> 32) == identity)
            {
                return classes[(uint)entry].Lookup(protocol, port);
            }
        }

        return classes[0].Lookup(protocol, port);
    }

    /// <summary>Where an identity is looked for among so many pages.</summary>
    public static int PageOf(uint identity, int pageCount) => (int)((identity * 0x9E37_79B1u) >> 8) & (pageCount - 1);
}
