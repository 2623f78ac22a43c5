namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>Where a packet was seen, by the numbers of Cilium's trace messages (monitor/api/types.go).</summary>
public enum ObservationPoint : byte
{
    ToEndpoint = 0,
    ToProxy = 1,
    ToHost = 2,
    ToStack = 3,
    ToOverlay = 4,
    FromEndpoint = 5,
    FromProxy = 6,
    FromHost = 7,
    FromStack = 8,
    FromOverlay = 9,
    FromNetwork = 10,
    ToNetwork = 11,
    FromCrypto = 12,
    ToCrypto = 13,
}
