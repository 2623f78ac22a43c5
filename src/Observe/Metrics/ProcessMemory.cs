namespace ClusterMesh.Datapath.Observe.Metrics;

/// <summary>What one program of the node takes of memory, in bytes.</summary>
/// <param name="Program">agent or forwarder.</param>
public sealed record ProcessMemory(string Program)
{
    /// <summary>In memory, what is shared with others included.</summary>
    public ulong ResidentBytes { get; init; }

    /// <summary>In memory and its own: neither a file's nor shared.</summary>
    public ulong OwnBytes { get; init; }

    /// <summary>The managed heap after the last collection, gaps included.</summary>
    public ulong HeapBytes { get; init; }

    /// <summary>What the collector has from the kernel.</summary>
    public ulong CommittedBytes { get; init; }

    /// <summary>What the last collection of the whole heap left, without gaps; 0 before the first.</summary>
    public ulong AliveBytes { get; init; }

    /// <summary>Allocated since the start.</summary>
    public ulong AllocatedBytes { get; init; }

    /// <summary>In which collections stopped the program, since its start.</summary>
    public double PauseSeconds { get; init; }

    /// <summary>Collections since the start, by the oldest generation that they looked at.</summary>
    public IReadOnlyList<ulong> Collections { get; init; } = [];
}
