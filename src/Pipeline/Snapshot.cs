namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// One state of the whole configuration, compiled for the stages. Immutable: published with one volatile write, read once a burst,
/// so that a packet never sees half of a change.
/// </summary>
/// <param name="Ports">By port id; null where no port is. Routes never lead to a null.</param>
/// <param name="UplinkPort">Id of the uplink, -1 when the node has none.</param>
/// <param name="Ipcache">Who is behind an address.</param>
public sealed record Snapshot(
    long Version, Port[] Ports, int UplinkPort, RouteTable Routes, ServiceTable Services, MasqueradeRules Masquerade, IpcacheTable Ipcache)
{
    /// <summary>Who answers for packets that go no further.</summary>
    public IcmpRules Icmp { get; init; } = IcmpRules.Silent;

    /// <summary>Null where packets for other nodes' pods travel as they are.</summary>
    public TunnelTable? Tunnels { get; init; }

    /// <summary>Who may speak to whom.</summary>
    public PolicyTable Policies { get; init; } = PolicyTable.Empty;
}
