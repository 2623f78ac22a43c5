using System.Buffers.Binary;
using System.Globalization;

namespace ClusterMesh.Datapath.Wire;

/// <summary>A 48-bit Ethernet address in the low bits of <paramref name="Value"/>, host order.</summary>
public readonly record struct MacAddress(ulong Value)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Length = 6;

    public static MacAddress Broadcast => new(0xFFFF_FFFF_FFFF);

    /// <summary>Group bit (IEEE 802): multicast and broadcast.</summary>
    public bool IsGroup => (Value & 0x0100_0000_0000) != 0;

    public static MacAddress FromBytes(ReadOnlySpan<byte> bytes) =>
        new((ulong)BinaryPrimitives.ReadUInt16BigEndian(bytes) << 32 | BinaryPrimitives.ReadUInt32BigEndian(bytes[2..]));

    /// <summary>33:33 and the last four bytes of an IPv6 multicast address, or 01:00:5e and 23 bits for IPv4 (RFC 2464 section 7, RFC 1112 section 6.4).</summary>
    public static MacAddress ForMulticast(IpAddress group) => group.IsIpv4
        ? new(0x0100_5E00_0000 | (ulong)(group.ToIpv4() & 0x7F_FFFF))
        : new(0x3333_0000_0000 | group.Low & 0xFFFF_FFFF);

    public static bool TryParse(string? text, out MacAddress address)
    {
        address = default;
        string[] parts = text?.Split(':') ?? [];
        if (parts.Length != Length)
        {
            return false;
        }

        ulong value = 0;
        foreach (string part in parts)
        {
            if (part.Length != 2 || !byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte b))
            {
                return false;
            }

            value = value << 8 | b;
        }

        address = new MacAddress(value);
        return true;
    }

    /// <exception cref="FormatException">The text is no MAC address.</exception>
    public static MacAddress Parse(string text) =>
        TryParse(text, out MacAddress address) ? address : throw new FormatException($"'{text}' is no MAC address");

    public void WriteTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)(Value >> 32));
        BinaryPrimitives.WriteUInt32BigEndian(destination[2..], (uint)Value);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(Value >> 40) & 0xFF:x2}:{(Value >> 32) & 0xFF:x2}:{(Value >> 24) & 0xFF:x2}:{(Value >> 16) & 0xFF:x2}:{(Value >> 8) & 0xFF:x2}:{Value & 0xFF:x2}");
}
