using System.Net.Sockets;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>Bytes and open files over a Unix socket (SCM_RIGHTS of unix(7)), which .NET's sockets cannot pass. The socket is a blocking one.</summary>
internal static unsafe class DescriptorSocket
{
    private const int MaxFileCount = 8;
    private const int SolSocket = 1;
    private const int Rights = 1;
    private const int HeaderLength = 16; // struct cmsghdr: length, level, type
    private const int CloseOnExec = 0x4000_0000; // MSG_CMSG_CLOEXEC

    public static void Send(Socket socket, ReadOnlySpan<byte> bytes, ReadOnlySpan<FileDescriptor> files)
    {
        byte* control = stackalloc byte[HeaderLength + (MaxFileCount * sizeof(int))];
        int controlLength = HeaderLength + (files.Length * sizeof(int));
        *(long*)control = controlLength;
        *(int*)(control + 8) = SolSocket;
        *(int*)(control + 12) = Rights;
        for (int i = 0; i < files.Length; i++)
        {
            ((int*)(control + HeaderLength))[i] = files[i].Number;
        }

        fixed (byte* start = bytes)
        {
            var part = new iovec { iov_base = start, iov_len = bytes.Length };
            var message = new msghdr { msg_iov = &part, msg_iovlen = 1, msg_control = control, msg_controllen = controlLength };
            if ((long)LibC.sendmsg((int)socket.Handle, &message, LibC.MSG_NOSIGNAL) != bytes.Length)
            {
                throw new SocketException();
            }
        }
    }

    /// <summary>One message of <see cref="Send"/>.</summary>
    /// <returns>The bytes that came; below the buffer's when the peer ended or the socket's timeout did.</returns>
    public static int Receive(Socket socket, Span<byte> bytes, out FileDescriptor[] files)
    {
        byte* control = stackalloc byte[HeaderLength + (MaxFileCount * sizeof(int))];
        fixed (byte* start = bytes)
        {
            var part = new iovec { iov_base = start, iov_len = bytes.Length };
            var message = new msghdr { msg_iov = &part, msg_iovlen = 1, msg_control = control, msg_controllen = HeaderLength + (MaxFileCount * sizeof(int)) };
            long length = (long)LibC.recvmsg((int)socket.Handle, &message, CloseOnExec);
            bool hasFiles = length > 0 && (uint)message.msg_controllen >= HeaderLength && *(int*)(control + 8) == SolSocket && *(int*)(control + 12) == Rights;
            files = new FileDescriptor[hasFiles ? (int)((*(long*)control - HeaderLength) / sizeof(int)) : 0];
            for (int i = 0; i < files.Length; i++)
            {
                files[i] = new FileDescriptor(((int*)(control + HeaderLength))[i]);
            }

            return (int)Math.Max(0, length);
        }
    }
}
