using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// What a forwarder and its keeper say to each other: packets of 256 bytes over a Unix socket, each a word and a name, some with an open file.
/// </summary>
internal static class KeeperSocket
{
    public const int MessageLength = 256;

    private const int NameOffset = 4;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    public enum Word : byte
    {
        /// <summary>Comes with a file: the keeper has it under the name from now on.</summary>
        Keep = 1,

        /// <summary>The keeper closes the file of that name.</summary>
        Drop,

        /// <summary>The keeper answers with one <see cref="Keep"/> a file and <see cref="Done"/>.</summary>
        List,

        /// <summary>The keeper closes all and ends.</summary>
        Leave,

        /// <summary>The keeper's answer to everything.</summary>
        Done,
    }

    public static Socket New()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        Limit(socket);
        return socket;
    }

    public static void Limit(Socket socket)
    {
        socket.ReceiveTimeout = (int)s_limit.TotalMilliseconds;
        socket.SendTimeout = (int)s_limit.TotalMilliseconds;
    }

    public static void Send(Socket socket, Word word, string name = "", FileDescriptor? file = null)
    {
        byte[] message = new byte[MessageLength];
        message[0] = (byte)word;
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(2), (ushort)Encoding.UTF8.GetBytes(name, message.AsSpan(NameOffset)));
        DescriptorSocket.Send(socket, message, file is null ? [] : [file]);
    }

    /// <returns>False when the other side has ended or says nothing that is understood.</returns>
    public static bool TryReceive(Socket socket, out Word word, out string name, out FileDescriptor? file)
    {
        byte[] message = new byte[MessageLength];
        int length = DescriptorSocket.Receive(socket, message, out FileDescriptor[] files);
        word = (Word)message[0];
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(2));
        file = files.Length == 1 ? files[0] : null;
        bool isGood = length == MessageLength && files.Length <= 1 && nameLength <= MessageLength - NameOffset;
        name = isGood ? Encoding.UTF8.GetString(message, NameOffset, nameLength) : "";
        if (!isGood)
        {
            Array.ForEach(files, f => f.Dispose());
            file = null;
        }

        return isGood;
    }
}
