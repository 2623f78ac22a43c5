namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Flags of a conntrack entry. The low byte has Cilium's numbers (bpf ct_entry), which <c>ct list</c> prints.</summary>
[Flags]
public enum ConntrackFlags : ushort
{
    None = 0,

    /// <summary>The server's side has sent FIN or RST.</summary>
    RxClosing = 0x0001,

    /// <summary>The client's side has.</summary>
    TxClosing = 0x0002,
    LoopbackHairpin = 0x0008,
    SeenNonSyn = 0x0010,
    NodePort = 0x0020,

    /// <summary>The backend answers in the name of a service that another node balances.</summary>
    DsrInternal = 0x0080,

    /// <summary>What <c>ct list</c> shows.</summary>
    Visible = 0x00FF,

    /// <summary>The client's packets are masqueraded by this node.</summary>
    Snat = 0x0100,

    /// <summary>The client came from the node network.</summary>
    Inbound = 0x0200,

    /// <summary>The client is the destination of the ordered key, not its source.</summary>
    ClientIsSecond = 0x0400,

    /// <summary>Of a choice: if its backend is on another node, that one answers the client directly.</summary>
    DirectReturn = 0x0800,

    /// <summary>The flow counts as its source's (<see cref="SourceLimits"/>).</summary>
    Counted = 0x1000,

    /// <summary>The entry is in use.</summary>
    Used = 0x8000,

    Closing = RxClosing | TxClosing,

    /// <summary>The flow has a mapping.</summary>
    Mapped = Snat | DsrInternal,
}
