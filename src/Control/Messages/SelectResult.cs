namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>
/// Result of <c>select</c>: which backend a new flow would get, and why. Where chance decides there is no backend but the candidates; where
/// the flow would be dropped there are neither. Client is pod, host or network; Hash and Entry are Maglev's.
/// </summary>
public sealed record SelectResult(
    string Frontend, string Service, string From, string Client, string Algorithm, string Reason, IReadOnlyList<string> Candidates,
    string? Backend = null, long? BackendId = null, long? Hash = null, int? Entry = null);
