using System.Diagnostics;
using System.Text;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// The system calls this project makes. Each returns the kernel's result, or the negative error number. Being interrupted by a signal is
/// dealt with here and nowhere else: the call is made again.
/// </summary>
internal static unsafe class SystemCalls
{
    // The same on all architectures since Linux 5.1.
    private const int IoUringSetupNumber = 425;
    private const int IoUringEnterNumber = 426;
    private const int IoUringRegisterNumber = 427;

    /// <param name="descriptor">Null on failure.</param>
    public static int Open(string path, int flags, out FileDescriptor? descriptor)
    {
        int result;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            do
            {
                result = LibC.open(name, flags | LibC.O_CLOEXEC, 0);
            }
            while (Interrupted(result));
        }

        return Owned(result, out descriptor);
    }

    public static int Socket(int family, int type, int protocol, out FileDescriptor? descriptor) =>
        Owned(LibC.socket(family, type | LibC.SOCK_CLOEXEC, protocol), out descriptor);

    /// <summary>The file's inode number.</summary>
    public static int ReadInode(FileDescriptor file, out ulong inode)
    {
        statx status;
        byte empty = 0;
        int result = Result(LibC.statx(file.Number, &empty, LibC.AT_EMPTY_PATH, LibC.STATX_INO, &status));
        inode = result < 0 ? 0 : status.stx_ino;
        return result;
    }

    public static int EventCounter(out FileDescriptor? descriptor) => Owned(LibC.eventfd(0, LibC.EFD_CLOEXEC | LibC.EFD_NONBLOCK), out descriptor);

    public static int EpollCreate(out FileDescriptor? descriptor) => Owned(LibC.epoll_create1(LibC.EPOLL_CLOEXEC), out descriptor);

    /// <summary>A session of our own: signals for the terminal's processes are not for this one.</summary>
    public static void LeaveSession() => _ = LibC.setsid();

    public static int EnterNetworkNamespace(FileDescriptor file) => Result(LibC.setns(file.Number, LibC.CLONE_NEWNET));

    public static int Control(int descriptor, int request, void* argument)
    {
        int result;
        do
        {
            result = LibC.ioctl(descriptor, request, argument);
        }
        while (Interrupted(result));
        return Result(result);
    }

    public static int SetSocketOption(FileDescriptor socket, int level, int option, int value) =>
        Result(LibC.setsockopt(socket.Number, level, option, &value, sizeof(int)));

    public static int Read(int descriptor, Span<byte> buffer)
    {
        long result;
        fixed (byte* start = buffer)
        {
            do
            {
                result = LibC.read(descriptor, start, buffer.Length);
            }
            while (Interrupted(result));
        }

        return Result(result);
    }

    public static int Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        long result;
        fixed (byte* start = bytes)
        {
            do
            {
                result = LibC.write(descriptor, start, bytes.Length);
            }
            while (Interrupted(result));
        }

        return Result(result);
    }

    /// <returns>The length of the datagram, which is above the buffer's when it was cut.</returns>
    public static int Receive(FileDescriptor socket, Span<byte> buffer)
    {
        long result;
        fixed (byte* start = buffer)
        {
            do
            {
                result = LibC.recv(socket.Number, start, buffer.Length, LibC.MSG_TRUNC);
            }
            while (Interrupted(result));
        }

        return Result(result);
    }

    public static int EpollControl(FileDescriptor epoll, int operation, int descriptor, epoll_event* wanted) =>
        Result(LibC.epoll_ctl(epoll.Number, operation, descriptor, wanted));

    /// <param name="timeoutMilliseconds">0 looks, -1 waits for ever; a signal does not lengthen the wait.</param>
    public static int EpollWait(int epoll, epoll_event* events, int count, int timeoutMilliseconds)
    {
        long start = timeoutMilliseconds > 0 ? Stopwatch.GetTimestamp() : 0;
        int remaining = timeoutMilliseconds;
        while (true)
        {
            int result = LibC.epoll_wait(epoll, events, count, remaining);
            if (!Interrupted(result))
            {
                return Result(result);
            }

            if (timeoutMilliseconds > 0)
            {
                remaining = Math.Max(0, timeoutMilliseconds - (int)Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }
    }

    public static int IoUringSetup(uint entryCount, io_uring_params* parameters, out FileDescriptor? ring) =>
        Owned((int)(long)LibC.syscall(IoUringSetupNumber, entryCount, parameters), out ring);

    public static int IoUringRegister(int ring, int operation, void* argument, uint count) =>
        Result((long)LibC.syscall(IoUringRegisterNumber, ring, operation, argument, count));

    /// <remarks>Interruptions come back as EINTR: what was handed over is not to be handed over again.</remarks>
    public static int IoUringEnter(int ring, int submitCount, int resultCount, int flags, void* argument, int argumentLength) =>
        Result((long)LibC.syscall(IoUringEnterNumber, ring, submitCount, resultCount, flags, argument, argumentLength));

    private static bool Interrupted(long result) => result < 0 && LibC.errno == KernelError.Interrupted;

    private static int Result(long result) => result < 0 ? -LibC.errno : (int)result;

    private static int Owned(int result, out FileDescriptor? descriptor)
    {
        descriptor = result < 0 ? null : new FileDescriptor(result);
        return Result(result);
    }
}
