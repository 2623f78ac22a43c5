namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Parameters of <c>capture</c>: which packets; what is left out admits any.</summary>
public sealed record CaptureRequest
{
    /// <summary>Addresses; each must be an end of the packet, before or behind the translations.</summary>
    public IReadOnlyList<string>? Hosts { get; init; }

    /// <summary>Endpoints of the node; each must be an end of the packet.</summary>
    public IReadOnlyList<string>? Pods { get; init; }

    public IReadOnlyList<int>? Ports { get; init; }

    /// <summary>tcp, udp, sctp, icmp or icmpv6.</summary>
    public string? Protocol { get; init; }

    /// <summary>forwarded, dropped or held.</summary>
    public string? Verdict { get; init; }

    /// <summary>Number of a drop reason.</summary>
    public int? Reason { get; init; }

    /// <summary>received (before any translation), left (behind all), or both.</summary>
    public string? Point { get; init; }

    /// <summary>Frames after which the capture ends; for ever when left out.</summary>
    public long? Count { get; init; }

    /// <summary>Bytes of a frame that are kept; all when left out.</summary>
    public int? SnapLength { get; init; }
}
