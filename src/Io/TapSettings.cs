using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>A TAP as it is wanted: where it stands and how the kernel's side of it is set up.</summary>
/// <param name="Name">For people: default/curl-pod, host, uplink. Begins every message.</param>
/// <param name="Namespace">A name under /run/netns or an absolute path (/proc/self/ns/net is our own).</param>
/// <param name="Interface">1 to 15 bytes.</param>
/// <param name="Mtu">Bytes of an IP packet.</param>
public sealed record TapSettings(string Name, string Namespace, string Interface, int Mtu)
{
    /// <summary>MAC of the kernel's side; null keeps the random one. Behind a bridge it must not be the node's own, or the bridge keeps its frames.</summary>
    public MacAddress? Mac { get; init; }

    /// <summary>An existing bridge of the same namespace that the TAP becomes a port of.</summary>
    public string? Bridge { get; init; }

    public IReadOnlyList<TapAddress> Addresses { get; init; } = [];

    /// <summary>Installed in this order, once the link is up.</summary>
    public IReadOnlyList<TapRoute> Routes { get; init; } = [];

    /// <summary>What we take. Of <see cref="TapOffloads.Tunnels"/> the port gets what the kernel has.</summary>
    public TapOffloads Offloads { get; init; } = TapOffloads.All;

    /// <summary>Frames that may wait for us to read them, beyond which the kernel drops; null keeps its 1,000.</summary>
    public int? QueueLength { get; init; }

    /// <summary>Brings lo up too, which a new namespace has down: a pod wants 127.0.0.1.</summary>
    public bool WithLoopback { get; init; }
}
