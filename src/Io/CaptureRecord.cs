using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>What stands before a captured frame in a <see cref="CaptureRing"/>. Little endian.</summary>
/// <param name="Time">Of the monotonic clock.</param>
/// <param name="Packet">The same for a packet as it came in and as it left; 0 for a frame of the datapath's own.</param>
/// <param name="Point">Received or Left.</param>
/// <param name="IngressPort">-1 for a frame of the datapath's own.</param>
/// <param name="EgressPort">-1 where it does not leave.</param>
/// <param name="FrameLength">Bytes of the whole frame.</param>
public readonly record struct CaptureRecord(
    MonoTime Time, ulong Packet, CapturePoints Point, Verdict Verdict, DropReason Reason, byte ReasonDetail, int IngressPort, int EgressPort, int FrameLength, bool HasPartialChecksum,
    bool IsSuperPacket, int Worker)
{
    /// <summary>Bytes before the frame.</summary>
    public const int Length = 40;

    public static CaptureRecord Read(ReadOnlySpan<byte> bytes) => new(
        new MonoTime(BinaryPrimitives.ReadInt64LittleEndian(bytes)), BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), (CapturePoints)bytes[16], (Verdict)bytes[17],
        (DropReason)bytes[18], bytes[19], BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[28..]), (bytes[32] & 1) != 0, (bytes[32] & 2) != 0, bytes[33]);

    public void WriteTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteInt64LittleEndian(bytes, Time.Nanoseconds);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], Packet);
        bytes[16] = (byte)Point;
        bytes[17] = (byte)Verdict;
        bytes[18] = (byte)Reason;
        bytes[19] = ReasonDetail;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], IngressPort);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[24..], EgressPort);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[28..], FrameLength);
        bytes[32] = (byte)((HasPartialChecksum ? 1 : 0) | (IsSuperPacket ? 2 : 0));
        bytes[33] = (byte)Worker;
        bytes[34..Length].Clear();
    }
}
