namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Result of <c>maglev</c>. The table holds the id of a backend for each entry; it need not be in use, which Used says.</summary>
public sealed record MaglevResult(
    string Frontend, string Service, int TableSize, string HashSeed, bool Used, IReadOnlyList<MaglevShare> Backends, IReadOnlyList<long> Table);
