namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The longest inner datagram that the way to another node takes, where a router on it has said less than its link's MTU. Shared by all workers and by every
/// snapshot: an entry is one aligned word, written and read whole, and the last one to write is right.
/// </summary>
/// <param name="entries">By the tunnel's number: when it ends in seconds, shifted by 16, and the length; 0 for nothing heard.</param>
public sealed class PathMtuTable(long[] entries)
{
    /// <summary>Linux forgets after so long (net.ipv4.route.mtu_expires); RFC 1191 section 6.3 asks for ten minutes.</summary>
    public const int LifetimeSeconds = 600;

    private const int LengthBits = 16;

    /// <param name="most">What the node's own link takes.</param>
    public int Of(int tunnel, int most, MonoTime now)
    {
        long entry = (uint)tunnel < (uint)entries.Length ? entries[tunnel] : 0;
        return entry == 0 || now.Seconds >= entry >> LengthBits ? most : Math.Min(most, (int)(entry & ushort.MaxValue));
    }

    /// <summary>A router said so.</summary>
    public void Lower(int tunnel, int length, MonoTime now)
    {
        if ((uint)tunnel < (uint)entries.Length)
        {
            entries[tunnel] = ((long)now.Seconds + LifetimeSeconds) << LengthBits | (uint)length;
        }
    }

    /// <summary>For a copy, to try what would be.</summary>
    public ReadOnlySpan<long> Entries => entries;
}
