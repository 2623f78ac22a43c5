namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Lifetimes in seconds: Cilium's agent defaults (daemon_main.go).</summary>
public static class ConntrackTimers
{
    /// <summary>An established TCP flow: 2 h 13 min 20 s.</summary>
    public const uint Tcp = 8000;

    /// <summary>A TCP flow of which only SYNs were seen.</summary>
    public const uint Syn = 60;

    /// <summary>A TCP flow that both sides have closed.</summary>
    public const uint Close = 10;

    /// <summary>UDP, ICMP and the others.</summary>
    public const uint Any = 60;

    /// <summary>This long after the last packet of a closed flow to a service, a SYN of the same tuple may choose another backend.</summary>
    public const uint ServiceRebalance = 60;
}
