namespace ClusterMesh.Datapath.Io;

/// <summary>Who says he installed a route (RTPROT_* of linux/rtnetlink.h).</summary>
public enum RouteProtocol : byte
{
    /// <summary>Shown as "proto kernel", as Cilium's direct node routes are.</summary>
    Kernel = 2,

    /// <summary>What `ip route add` uses; not shown.</summary>
    Boot = 3,

    Static = 4,
}
