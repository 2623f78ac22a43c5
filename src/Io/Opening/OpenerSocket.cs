using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>How a forwarder and the process that opens its ports talk: one JSON message a datagram, files behind an answer, one request at a time.</summary>
[JsonSerializable(typeof(OpenerRequest))]
[JsonSerializable(typeof(OpenerAnswer))]
internal sealed partial class OpenerSocket : JsonSerializerContext
{
    private const int LongestMessage = 128 * 1024;
    private const int FilesAtOnce = 8;

    public static Socket Of(int file) => new(new SafeSocketHandle(file, ownsHandle: true));

    public static void Send(Socket socket, OpenerRequest request) => SendBytes(socket, JsonSerializer.SerializeToUtf8Bytes(request, Default.OpenerRequest));

    public static void Send(Socket socket, OpenerAnswer answer, IReadOnlyList<FileDescriptor> files)
    {
        SendBytes(socket, JsonSerializer.SerializeToUtf8Bytes(answer, Default.OpenerAnswer));
        foreach (FileDescriptor[] some in files.Chunk(FilesAtOnce))
        {
            DescriptorSocket.Send(socket, [(byte)some.Length], some);
        }
    }

    /// <summary>Null at the end.</summary>
    public static OpenerRequest? ReceiveRequest(Socket socket)
    {
        byte[] message = new byte[LongestMessage];
        int length = socket.Receive(message);
        return length == 0 ? null : JsonSerializer.Deserialize(message.AsSpan(0, length), Default.OpenerRequest);
    }

    /// <exception cref="SocketException">The other process has ended.</exception>
    public static OpenerAnswer ReceiveAnswer(Socket socket, out FileDescriptor[] files)
    {
        byte[] message = new byte[LongestMessage];
        int length = socket.Receive(message);
        OpenerAnswer answer = (length == 0 ? null : JsonSerializer.Deserialize(message.AsSpan(0, length), Default.OpenerAnswer)) ?? throw new SocketException((int)SocketError.ConnectionReset);
        var received = new List<FileDescriptor>();
        while (received.Count < answer.FileCount)
        {
            byte[] count = new byte[1];
            if (DescriptorSocket.Receive(socket, count, out FileDescriptor[] some) != 1 || some.Length != count[0])
            {
                Array.ForEach(some, f => f.Dispose());
                received.ForEach(f => f.Dispose());
                throw new SocketException((int)SocketError.ConnectionReset);
            }

            received.AddRange(some);
        }

        files = [.. received];
        return answer;
    }

    private static void SendBytes(Socket socket, byte[] message)
    {
        if (message.Length > LongestMessage)
        {
            throw new DeviceException($"a message of {message.Length} bytes to the process that opens ports is longer than {LongestMessage}; give the port fewer addresses and routes");
        }

        socket.Send(message);
    }
}
