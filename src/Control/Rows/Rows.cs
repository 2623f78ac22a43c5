namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>A pod and its TAP, as <c>list endpoint</c> gives it.</summary>
public sealed record EndpointRow(int Id, string Name, IReadOnlyList<string> Addresses, string Mac, string Namespace, string Interface, string State);

/// <summary>Another node.</summary>
public sealed record NodeRow(string Name, string Cluster, IReadOnlyList<string> Addresses, IReadOnlyList<string> PodCidrs);

/// <summary>A prefix of the forwarding table. Kind: endpoint, host, node, gateway, onlink. Via is empty where there is no next hop.</summary>
public sealed record RouteRow(string Prefix, string Kind, string Via, string Port, string Origin);

/// <summary>A frontend with its backends in slot order.</summary>
public sealed record ServiceRow(long Id, string Frontend, string Type, string Name, IReadOnlyList<ServiceBackendRow> Backends);

/// <summary>One slot of a frontend; slots count from 1.</summary>
public sealed record ServiceBackendRow(int Slot, long Id, string Backend, string State, string Cluster, bool Preferred);

/// <summary>A backend and the services that use it.</summary>
public sealed record BackendRow(long Id, string Backend, string State, string Cluster, string Node, IReadOnlyList<string> Services);

/// <summary>A prefix whose hosts see pods under their own addresses.</summary>
public sealed record MasqueradeRow(string Prefix);

/// <summary>One conntrack entry. Direction: OUT, IN or SVC (a client's choice of backend). Expires and reports are in seconds.</summary>
public sealed record ConntrackRow(
    string Protocol, string Direction, string Source, string Destination, long Expires, ulong Packets, ulong Bytes,
    int RxFlagsSeen, long LastRxReport, int TxFlagsSeen, long LastTxReport, int Flags, IReadOnlyList<string> FlagNames,
    long RevNat, long SourceIdentity, long BackendId);

/// <summary>One SNAT mapping: the flow as the pod sends it, and the source the world sees.</summary>
public sealed record SnatRow(string Protocol, string Source, string Destination, string Translated, long CreatedSecondsAgo);

/// <summary>A neighbour on the node network. State: reachable, stale, probe, incomplete, failed.</summary>
public sealed record NeighborRow(string Address, string Mac, string State, string Port, long AgeSeconds);

/// <summary>A counter by name: scope is drop, port, worker or table; unit says what Value counts.</summary>
public sealed record CounterRow(string Scope, string Name, string Counter, ulong Value);

/// <summary>A TAP. Kind: endpoint, host, uplink. State: up, down (with the reason).</summary>
public sealed record PortRow(int Id, string Name, string Kind, string Namespace, string Interface, string Mac, int Mtu, string State);
