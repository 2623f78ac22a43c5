using System.Buffers.Binary;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// Writes one pcap file with nanoseconds (draft-ietf-opsawg-pcap, magic A1B23C4D), little endian on every machine. Not by libpcap,
/// which does not say when a disk is full and takes no frame above 64 KiB.
/// </summary>
internal sealed class CaptureWriter : IDisposable
{
    private const uint NanosecondMagic = 0xA1B2_3C4D;
    private const int FileHeaderLength = 24;
    private const int PacketHeaderLength = 16;

    /// <summary>What tcpdump writes for "whole packets".</summary>
    private const int SnapshotLength = 262_144;

    private const int EthernetLinkType = 1;
    private const long NanosecondsPerSecond = 1_000_000_000;
    private readonly FileStream _file;
    private readonly byte[] _header = new byte[PacketHeaderLength];

    public CaptureWriter(string path)
    {
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 64 * 1024);
        byte[] header = new byte[FileHeaderLength];
        BinaryPrimitives.WriteUInt32LittleEndian(header, NanosecondMagic);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), 2); // Version 2.4.
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), SnapshotLength);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), EthernetLinkType);
        _file.Write(header);
    }

    /// <param name="time">Nanoseconds since 1970.</param>
    public void Write(long time, ReadOnlySpan<byte> frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_header, (uint)(time / NanosecondsPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(4), (uint)(time % NanosecondsPerSecond));
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(8), frame.Length);
        BinaryPrimitives.WriteInt32LittleEndian(_header.AsSpan(12), frame.Length);
        _file.Write(_header);
        _file.Write(frame);
    }

    public void Dispose() => _file.Dispose();
}
