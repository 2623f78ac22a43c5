using ClusterMesh.Datapath.Observe.Hubble.Observers;

namespace ClusterMesh.Datapath.Observe.Relay;

/// <summary>What a peer's observer says of itself.</summary>
/// <param name="Status">Null when it did not answer.</param>
/// <param name="Error">Why it did not, in one sentence.</param>
public sealed record PeerAnswer(PeerNode Peer, ServerStatusResponse? Status, string Error);
