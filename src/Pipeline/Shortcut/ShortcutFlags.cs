namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a shortcut does beside translating.</summary>
[Flags]
public enum ShortcutFlags : byte
{
    None = 0,

    /// <summary>The packets run from the flow's server to its client.</summary>
    Reply = 0x01,

    /// <summary>The node is a router on the way: a hop is taken off.</summary>
    Hop = 0x02,

    /// <summary>Addresses or ports are rewritten.</summary>
    Translated = 0x04,

    /// <summary>To the node's own address from the node network: a masqueraded flow may take the tuple any time.</summary>
    MayBeAnswer = 0x08,
}
