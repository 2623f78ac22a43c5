namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What a stage decided about a packet.</summary>
public enum Verdict
{
    /// <summary>The next stage goes on with it.</summary>
    Continue,

    /// <summary>The frame in the buffer leaves by <see cref="PacketContext.EgressPort"/>.</summary>
    Transmit,

    /// <summary>It ends here, for the reason in <see cref="PacketContext.Reason"/>.</summary>
    Drop,

    /// <summary>A copy waits until the next hop's MAC address is known, or a fragment until the first one of its datagram comes.</summary>
    Held,

    /// <summary>It was for the datapath itself (an ARP reply) and needs no answer.</summary>
    Consumed,

    /// <summary>It is part of an earlier frame of its burst now.</summary>
    Joined,
}
