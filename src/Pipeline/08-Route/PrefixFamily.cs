using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What a <see cref="PrefixTable"/> keeps of one address family: where its rows lie, where its bits begin, and its prefixes of less than 19 bits,
/// which roots and rows hold only spread over what they cover. The writer's alone.
/// </summary>
internal sealed class PrefixFamily
{
    /// <summary>Bits decided by the root, the row and the place in the row's blocks, in front of the nodes.</summary>
    public const int FlatLength = PrefixRoot.Stride + (2 * PrefixRow.Stride);

    private readonly int _offset;

    /// <summary>By (1 &lt;&lt; length | bits).</summary>
    private readonly Dictionary<int, int> _shorter = [];

    /// <param name="number">0 for IPv4, 1 for IPv6: the order in which a <see cref="PrefixMap"/> has them.</param>
    /// <param name="offset">Bits of the 16-byte address in front of the family's own.</param>
    public PrefixFamily(int number, int offset)
    {
        Number = number;
        _offset = offset;
        Array.Fill(Roots, new PrefixRoot(0, PrefixRow.NoValue));
    }

    public int Number { get; }

    public PrefixRoot[] Roots { get; } = new PrefixRoot[PrefixRoot.Count];

    /// <summary>Bytes held; a dictionary's entry has 16 and its bucket 4.</summary>
    public long MemoryLength => _shorter.EnsureCapacity(0) * 20L;

    /// <summary>The bits of the prefix, first bit highest, and the length as the family counts it.</summary>
    public (UInt128 Bits, int Length) Locate(IpPrefix prefix) =>
        (new UInt128(prefix.Address.High, prefix.Address.Low) << _offset, prefix.Length - _offset);

    public IpPrefix PrefixOf(UInt128 bits, int length)
    {
        bits >>= _offset;
        ulong low = (ulong)bits;
        return new IpPrefix(_offset == 0 ? new IpAddress((ulong)(bits >> 64), low) : IpAddress.FromIpv4((uint)low), length + _offset);
    }

    /// <summary>The value of the prefix of this length that contains the slot (the first 19 bits).</summary>
    public int ShorterAt(int slot, int length) => _shorter.GetValueOrDefault(Place(slot, length), PrefixRow.NoValue);

    public void SetShorter(int slot, int length, int value)
    {
        if (value < 0)
        {
            _shorter.Remove(Place(slot, length));
        }
        else
        {
            _shorter[Place(slot, length)] = value;
        }
    }

    /// <summary>The longest match of the slot among the lengths from <paramref name="shortest"/> to below <paramref name="limit"/>.</summary>
    public int BestShorter(int slot, int shortest, int limit)
    {
        int value = PrefixRow.NoValue;
        for (int length = limit - 1; length >= shortest && value < 0; length--)
        {
            value = ShorterAt(slot, length);
        }

        return value;
    }

    private static int Place(int slot, int length) => 1 << length | slot >> (FlatLength - length);
}
