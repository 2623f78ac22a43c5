namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The datapath's dice (SplitMix64): backend choice and SNAT ports. Seeded at start, so a replay repeats itself.</summary>
public sealed class FlowRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>Where the dice stand: others that are made with it throw what these will throw.</summary>
    public ulong State => _state;

    /// <summary>Even over 0 to <paramref name="bound"/> - 1.</summary>
    public uint Below(uint bound) => (uint)(((Next() >> 32) * bound) >> 32);

    public ulong Next()
    {
        _state += 0x9E37_79B9_7F4A_7C15;
        ulong z = _state;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }
}
