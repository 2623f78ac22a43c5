using System.Buffers.Binary;
using System.Text;
using ClusterMesh.Datapath.Io;

namespace ClusterMesh.Datapath.Forwarder.Capturing;

/// <summary>
/// Writes pcapng (draft-ietf-opsawg-pcapng): one section, an interface for each port, enhanced packet blocks with direction, packet id, queue and a
/// comment. Little endian, nanoseconds. SharpPcap's writer knows neither comments nor directions.
/// </summary>
internal sealed class PcapngWriter
{
    private const uint SectionHeader = 0x0A0D0D0A;
    private const uint InterfaceDescription = 1;
    private const uint InterfaceStatistics = 5;
    private const uint EnhancedPacket = 6;
    private const uint ByteOrderMagic = 0x1A2B3C4D;
    private const ushort EthernetLinkType = 1;
    private const int EndOfOptions = 0;
    private const int Comment = 1;
    private const byte Nanoseconds = 9;

    // Bits of epb_flags: direction, and what the sender left to the device.
    private const uint Inbound = 1;
    private const uint Outbound = 2;
    private const uint ChecksumNotReady = 1 << 9;
    private const uint SegmentationOffloaded = 1 << 11;

    private byte[] _bytes = new byte[256 * 1024];

    /// <summary>What was written since <see cref="Clear"/>: whole blocks.</summary>
    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public int Length { get; private set; }

    public void Clear() => Length = 0;

    public void Section(string application, string comment)
    {
        int start = Begin(SectionHeader);
        Write32(ByteOrderMagic);
        Write16(1); // Version 1.0.
        Write16(0);
        Write64(ulong.MaxValue); // The section's length is not known.
        Option(Comment, Encoding.UTF8.GetBytes(comment));
        Option(4, Encoding.UTF8.GetBytes(application)); // shb_userappl
        End(start);
    }

    public void Interface(string name, string description, int snapLength)
    {
        int start = Begin(InterfaceDescription);
        Write16(EthernetLinkType);
        Write16(0);
        Write32((uint)snapLength);
        Option(2, Encoding.UTF8.GetBytes(name)); // if_name
        Option(3, Encoding.UTF8.GetBytes(description)); // if_description
        Option(9, [Nanoseconds]); // if_tsresol
        End(start);
    }

    /// <param name="time">Nanoseconds since 1970.</param>
    public void Packet(int port, ulong time, in CaptureRecord record, ReadOnlySpan<byte> frame, ReadOnlySpan<byte> comment)
    {
        int start = Begin(EnhancedPacket);
        Write32((uint)port);
        Write32((uint)(time >> 32));
        Write32((uint)time);
        Write32((uint)frame.Length);
        Write32((uint)record.FrameLength);
        WritePadded(frame);
        Option(Comment, comment);
        Span<byte> number = stackalloc byte[8];
        uint flags = (record.Point == CapturePoints.Received ? Inbound : Outbound) | (record.HasPartialChecksum ? ChecksumNotReady : 0) | (record.IsSuperPacket ? SegmentationOffloaded : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(number, flags);
        Option(2, number[..4]); // epb_flags
        if (record.Packet != 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(number, record.Packet);
            Option(5, number); // epb_packetid
        }

        BinaryPrimitives.WriteUInt32LittleEndian(number, (uint)record.Worker);
        Option(6, number[..4]); // epb_queue
        End(start);
    }

    /// <param name="time">Nanoseconds since 1970.</param>
    /// <param name="received">Frames that were wanted.</param>
    /// <param name="lost">Those among them that the reader was too slow for.</param>
    public void Statistics(int port, ulong time, ulong received, ulong lost)
    {
        int start = Begin(InterfaceStatistics);
        Write32((uint)port);
        Write32((uint)(time >> 32));
        Write32((uint)time);
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(number, received);
        Option(4, number); // isb_ifrecv
        BinaryPrimitives.WriteUInt64LittleEndian(number, lost);
        Option(5, number); // isb_ifdrop
        End(start);
    }

    private int Begin(uint type)
    {
        int start = Length;
        Write32(type);
        Write32(0); // The length, when it is known.
        return start;
    }

    private void End(int start)
    {
        Write16(EndOfOptions);
        Write16(0);
        uint length = (uint)(Length - start + sizeof(uint));
        Write32(length);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(start + sizeof(uint)), length);
    }

    private void Option(ushort code, ReadOnlySpan<byte> value)
    {
        Write16(code);
        Write16((ushort)value.Length);
        WritePadded(value);
    }

    private void WritePadded(ReadOnlySpan<byte> bytes)
    {
        int padded = (bytes.Length + 3) & ~3;
        Span<byte> room = Take(padded);
        bytes.CopyTo(room);
        room[bytes.Length..].Clear();
    }

    private void Write16(ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Take(sizeof(ushort)), value);

    private void Write32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Take(sizeof(uint)), value);

    private void Write64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Take(sizeof(ulong)), value);

    private Span<byte> Take(int count)
    {
        if (Length + count > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + count));
        }

        Length += count;
        return _bytes.AsSpan(Length - count, count);
    }
}
