namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The second number of <see cref="DropReason.NoBackend"/>: 0 where the client is told, as Cilium does, by ICMP.</summary>
public static class NoBackendDetail
{
    /// <summary>The service has backends elsewhere, but its traffic policy keeps to this node's, and there are none.</summary>
    public const byte NoneLocal = 1;

    /// <summary>The address is one of services and none of them is at the port.</summary>
    public const byte NoPort = 2;
}
