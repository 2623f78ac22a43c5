using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// How two forwarders get to know each other over a Unix socket: each says who it is and gives its buffers and its wake; the one that
/// connects brings the rings. The socket stays open as long as the link: its end is the other's end.
/// </summary>
internal static class LinkHandshake
{
    private const ulong Magic = 0x636D_6573_686C_6E31; // cmeshln1
    private const int MaxNameLength = 512;
    private const int NameOffset = 32;
    private const int MessageLength = NameOffset + MaxNameLength;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(2);

    /// <param name="isConnector">We connected, and bring the rings.</param>
    /// <param name="number">Under which the peer's buffers will be among ours.</param>
    /// <returns>Null, with the socket to be closed, when the peer is no forwarder of the same build or does not answer.</returns>
    public static (MemoryLink Link, FileDescriptor PeerBuffers)? Run(Socket socket, PortEngine engine, string ownName, MacAddress ownMac, bool isConnector, int number)
    {
        socket.ReceiveTimeout = (int)s_limit.TotalMilliseconds;
        socket.SendTimeout = (int)s_limit.TotalMilliseconds;
        FileDescriptor? rings = null;
        FileDescriptor[] files = [];
        try
        {
            if (isConnector)
            {
                rings = SharedFile.Create("cmesh-rings", MemoryLink.RingsLength);
                Send(socket, ownName, ownMac, [engine.BufferFile, engine.WakeCounter.File, rings]);
            }

            if (Receive(socket, isConnector ? 2 : 3, out files) is not { } peer)
            {
                CloseAll(files);
                return null;
            }

            if (!isConnector)
            {
                rings = files[2];
                Send(socket, ownName, ownMac, [engine.BufferFile, engine.WakeCounter.File]);
            }

            socket.ReceiveTimeout = 0;
            var memory = MappedMemory.OfFile(rings!, 0, MemoryLink.RingsLength);
            return (new MemoryLink(number, peer.Name, peer.Mac, memory, new EventCounter(files[1]), isConnector), files[0]);
        }
        catch (Exception e) when (e is SocketException or DeviceException)
        {
            CloseAll(files);
            return null;
        }
        finally
        {
            rings?.Dispose();
        }
    }

    private static void Send(Socket socket, string name, MacAddress mac, ReadOnlySpan<FileDescriptor> files)
    {
        byte[] message = new byte[MessageLength];
        BinaryPrimitives.WriteUInt64LittleEndian(message, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(8), FrameBuffers.MostCount);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(12), FrameBuffers.Stride);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(16), MemoryLink.MaxLentCount);
        mac.WriteTo(message.AsSpan(20));
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(26), (ushort)Encoding.UTF8.GetBytes(name, message.AsSpan(NameOffset)));
        DescriptorSocket.Send(socket, message, files);
    }

    private static (string Name, MacAddress Mac)? Receive(Socket socket, int fileCount, out FileDescriptor[] files)
    {
        byte[] message = new byte[MessageLength];
        int length = DescriptorSocket.Receive(socket, message, out files);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(26));
        bool isGood = length == MessageLength && files.Length == fileCount && nameLength <= MaxNameLength
            && BinaryPrimitives.ReadUInt64LittleEndian(message) == Magic
            && BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(8)) == FrameBuffers.MostCount
            && BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(12)) == FrameBuffers.Stride
            && BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(16)) == MemoryLink.MaxLentCount
            && SharedFile.IsSealed(files[0], FrameBuffers.ArenaLength)
            && (fileCount < 3 || SharedFile.IsSealed(files[2], MemoryLink.RingsLength));
        return isGood ? (Encoding.UTF8.GetString(message, NameOffset, nameLength), MacAddress.FromBytes(message.AsSpan(20))) : null;
    }

    private static void CloseAll(FileDescriptor[] files) => Array.ForEach(files, f => f.Dispose());
}
