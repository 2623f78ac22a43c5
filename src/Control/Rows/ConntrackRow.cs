namespace ClusterMesh.Datapath.Control.Rows;

/// <summary>One conntrack entry. Direction: OUT, IN or SVC (a client's choice of backend). Expires and reports are in seconds.</summary>
public sealed record ConntrackRow(
    string Protocol, string Direction, string Source, string Destination, long Expires, ulong Packets, ulong Bytes,
    int RxFlagsSeen, long LastRxReport, int TxFlagsSeen, long LastTxReport, int Flags, IReadOnlyList<string> FlagNames,
    long RevNat, long SourceIdentity, long BackendId);
