using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Tmds.Linux;
using static ClusterMesh.Datapath.Io.Native.RtNetlinkNumbers;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>A socket to the kernel's rtnetlink and the two buffers of its one conversation.</summary>
internal sealed class NetlinkSocket : IDisposable
{
    private const int RouteFamily = 0; // NETLINK_ROUTE
    private const int RequestLength = 512;
    private const int AnswerLength = 16 * 1024; // a link with all its attributes takes 2 KB
    private const int ErrorNumberLength = 4;

    private static readonly int s_headerLength = Unsafe.SizeOf<NetlinkHeader>();

    private readonly FileDescriptor _socket;
    private readonly byte[] _request = new byte[RequestLength];
    private readonly byte[] _answer = new byte[AnswerLength];
    private uint _sequence;

    private NetlinkSocket(FileDescriptor socket) => _socket = socket;

    /// <summary>Must be called on a thread inside the namespace.</summary>
    public static NetlinkSocket Open()
    {
        int result = SystemCalls.Socket(LibC.AF_NETLINK, LibC.SOCK_RAW, RouteFamily, out FileDescriptor? socket);
        if (socket is null)
        {
            throw new DeviceException($"open an rtnetlink socket: {new KernelError(-result)}");
        }

        // The kernel's sentence beside the error number, without our request quoted; old kernels know neither, and need not.
        _ = SystemCalls.SetSocketOption(socket, NetlinkLevel, ExtendedAcknowledgement, 1);
        _ = SystemCalls.SetSocketOption(socket, NetlinkLevel, CapAcknowledgement, 1);
        return new NetlinkSocket(socket);
    }

    public NetlinkMessage Begin(ushort type, ushort flags) => new(_request, type, flags, ++_sequence);

    /// <summary>Sends the request begun last and takes its acknowledgement or, when one is named, the answer of that type.</summary>
    public NetlinkAnswer Exchange(ReadOnlySpan<byte> request, ushort answerType = Error)
    {
        ObjectDisposedException.ThrowIf(_socket.IsClosed, this);
        int sent = SystemCalls.Write(_socket.Number, request); // unconnected means: to the kernel
        if (sent < 0)
        {
            return new NetlinkAnswer(new KernelError(-sent), "", default);
        }

        while (true)
        {
            int length = SystemCalls.Receive(_socket, _answer);
            if (length < 0 || length > AnswerLength)
            {
                return new NetlinkAnswer(new KernelError(length < 0 ? -length : KernelError.NoBuffers), "", default);
            }

            if (TryFind(_answer.AsSpan(0, length), answerType, out NetlinkAnswer answer))
            {
                return answer;
            }
        }
    }

    public void Dispose() => _socket.Dispose();

    private bool TryFind(ReadOnlySpan<byte> datagram, ushort answerType, out NetlinkAnswer answer)
    {
        while (MemoryMarshal.TryRead(datagram, out NetlinkHeader header) && header.Length >= s_headerLength && header.Length <= datagram.Length)
        {
            ReadOnlySpan<byte> body = datagram[s_headerLength..(int)header.Length];
            if (header.Sequence == _sequence && (header.Type == Error || header.Type == answerType))
            {
                answer = header.Type == Error ? ReadError(body, header.Flags) : new NetlinkAnswer(default, "", body);
                return true;
            }

            datagram = datagram[Math.Min(NetlinkAttributes.Aligned((int)header.Length), datagram.Length)..];
        }

        answer = default;
        return false;
    }

    /// <summary>struct nlmsgerr: negative error number, the header of our request, its body unless capped, attributes.</summary>
    private static NetlinkAnswer ReadError(ReadOnlySpan<byte> body, ushort flags)
    {
        var error = new KernelError(-MemoryMarshal.Read<int>(body));
        if ((flags & WithAttributes) != 0 && MemoryMarshal.TryRead(body[ErrorNumberLength..], out NetlinkHeader quoted))
        {
            int quotedLength = (flags & Capped) != 0 ? s_headerLength : NetlinkAttributes.Aligned((int)quoted.Length);
            var attributes = new NetlinkAttributes(body[Math.Min(ErrorNumberLength + quotedLength, body.Length)..]);
            while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
            {
                if (type == ErrorText)
                {
                    return new NetlinkAnswer(error, NetlinkAttributes.Text(value), default);
                }
            }
        }

        return new NetlinkAnswer(error, "", default);
    }
}
