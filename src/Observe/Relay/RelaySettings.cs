using System.Net.Security;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>How a relay waits for its nodes.</summary>
public sealed record RelaySettings
{
    /// <summary>What the relay's own notices are signed with.</summary>
    public string Name { get; init; } = "relay";

    /// <summary>Of this software, for `hubble status`.</summary>
    public string Version { get; init; } = "";

    /// <summary>How long a node may take to answer a connection before it counts as unavailable.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>While a client follows: how long an event waits for older ones of other nodes. Hubble's relay waits as long.</summary>
    public TimeSpan SortDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Without following: how long a silent node may hold up the answer.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>While a client follows: how often nodes that were unavailable are tried again.</summary>
    public TimeSpan RetryInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Certificates for a peer that speaks TLS; null for what the system trusts.</summary>
    public Func<PeerNode, SslClientAuthenticationOptions>? Tls { get; init; }
}
