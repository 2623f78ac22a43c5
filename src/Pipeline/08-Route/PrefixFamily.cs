using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// What a <see cref="PrefixTable"/> keeps of one address family: where its rows lie, where its bits begin, and its prefixes of less than 16 bits,
/// which the rows hold only spread over what they cover. The writer's alone.
/// </summary>
internal sealed class PrefixFamily
{
    /// <summary>Bits decided by the two flat levels in front of the nodes.</summary>
    public const int FlatLength = 16;

    private readonly int _offset;

    /// <summary>The value at (1 &lt;&lt; length | bits). Made with the first short prefix: most tables have none for IPv6.</summary>
    private int[] _shorter = [];

    /// <param name="offset">Bits of the 16-byte address in front of the family's own.</param>
    public PrefixFamily(int offset) => _offset = offset;

    /// <summary>The block of rows; block 0 has no prefix.</summary>
    public int Rows { get; set; }

    public long MemoryLength => _shorter.Length * (long)sizeof(int);

    /// <summary>The bits of the prefix, first bit highest, and the length as the family counts it.</summary>
    public (UInt128 Bits, int Length) Locate(IpPrefix prefix) =>
        (new UInt128(prefix.Address.High, prefix.Address.Low) << _offset, prefix.Length - _offset);

    public IpPrefix PrefixOf(UInt128 bits, int length)
    {
        bits >>= _offset;
        ulong low = (ulong)bits;
        return new IpPrefix(_offset == 0 ? new IpAddress((ulong)(bits >> 64), low) : IpAddress.FromIpv4((uint)low), length + _offset);
    }

    /// <summary>The value of the prefix of this length that contains the slot (the first 16 bits).</summary>
    public int ShorterAt(int slot, int length) => _shorter.Length == 0 ? PrefixRow.NoValue : _shorter[Place(slot, length)];

    public void SetShorter(int slot, int length, int value)
    {
        if (_shorter.Length == 0)
        {
            _shorter = new int[1 << FlatLength];
            Array.Fill(_shorter, PrefixRow.NoValue);
        }

        _shorter[Place(slot, length)] = value;
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
