namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Flags of an ipcache entry, by Cilium's numbers (bpf remote_endpoint_info).</summary>
[Flags]
public enum IpcacheFlags : byte
{
    None = 0,

    /// <summary>Reached directly although the node tunnels.</summary>
    SkipTunnel = 0x01,

    /// <summary>The tunnel endpoint counts.</summary>
    HasTunnel = 0x02,

    /// <summary>The tunnel endpoint is an IPv6 address.</summary>
    Ipv6Tunnel = 0x04,

    /// <summary>Of another cluster.</summary>
    RemoteCluster = 0x08,
}
