using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>Takes an input apart; what lies behind its end is zero, so that every input means something.</summary>
internal ref struct InputReader(ReadOnlySpan<byte> input)
{
    private ReadOnlySpan<byte> _rest = input;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte Byte()
    {
        byte value = _rest.IsEmpty ? (byte)0 : _rest[0];
        _rest = _rest.IsEmpty ? _rest : _rest[1..];
        return value;
    }

    /// <summary>Little-endian.</summary>
    public ushort Word() => (ushort)(Byte() | (Byte() << 8));

    /// <summary>As many of the bytes as there are.</summary>
    public ReadOnlySpan<byte> Bytes(int length)
    {
        ReadOnlySpan<byte> taken = _rest[..Math.Min(length, _rest.Length)];
        _rest = _rest[taken.Length..];
        return taken;
    }

    public ReadOnlySpan<byte> Rest() => Bytes(int.MaxValue);

    /// <summary>Up to the mark, which is taken too.</summary>
    public ReadOnlySpan<byte> Until(byte mark)
    {
        int at = _rest.IndexOf(mark);
        ReadOnlySpan<byte> taken = Bytes(at < 0 ? int.MaxValue : at);
        Byte();
        return taken;
    }

    public Wire.VirtioNetHeader Offload()
    {
        Span<byte> header = stackalloc byte[Wire.VirtioNetHeader.Length];
        header.Clear();
        Bytes(header.Length).CopyTo(header);
        return Wire.VirtioNetHeader.ReadReceived(header);
    }

    public static byte[] OfWord(int value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)value);
        return bytes;
    }
}
