using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// One io_uring: a queue of requests to the kernel and one of their results, both in memory shared with it. All requests that wait go out
/// with the same system call that waits for results. Belongs to the thread that calls <see cref="Enable"/>; the ring has no locks.
/// </summary>
internal sealed unsafe class IoUring : IDisposable
{
    // linux/io_uring.h, what Tmds.LibC has no name for.
    private const uint SetupCompletionSize = 1 << 3;
    private const uint SetupDisabled = 1 << 6;
    private const uint SetupSubmitAll = 1 << 7; // one bad request does not hold up those behind it
    private const uint SetupTaskRunFlag = 1 << 9;
    private const uint SetupSingleIssuer = 1 << 12;
    private const uint SetupDeferTaskRun = 1 << 13; // results are made when we ask for them, not in an interrupt of our work (Linux 6.1)
    private const int EnterGetEvents = 1 << 0;
    private const int EnterExtendedArgument = 1 << 3;
    private const int RegisterEnableRings = 12;
    private const uint QueueTaskRun = 1 << 2;
    private const uint QueueOverflow = 1 << 1;
    private const ulong OffsetOfEntries = 0x1000_0000;
    private const int NoWait = 8; // RWF_NOWAIT

    private readonly FileDescriptor _file;
    private readonly MappedMemory _rings;
    private readonly MappedMemory _entries;
    private readonly uint* _submitHead;
    private readonly uint* _submitFlags;
    private readonly uint* _submitTail;
    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly io_uring_sqe* _submissions;
    private readonly io_uring_cqe* _completions;
    private readonly uint _submitMask;
    private readonly uint _completionMask;
    private uint _tail;
    private uint _head;

    private IoUring(FileDescriptor file, in io_uring_params parameters)
    {
        _file = file;
        io_sqring_offsets submit = parameters.sq_off;
        io_cqring_offsets complete = parameters.cq_off;
        long length = Math.Max(submit.array + (parameters.sq_entries * sizeof(uint)), complete.cqes + (parameters.cq_entries * sizeof(io_uring_cqe)));
        _rings = MappedMemory.OfFile(file, 0, length);
        _entries = MappedMemory.OfFile(file, OffsetOfEntries, parameters.sq_entries * sizeof(io_uring_sqe));
        byte* rings = _rings.Start;
        _submissions = (io_uring_sqe*)_entries.Start;
        _completions = (io_uring_cqe*)(rings + complete.cqes);
        _submitHead = (uint*)(rings + submit.head);
        _submitTail = (uint*)(rings + submit.tail);
        _submitFlags = (uint*)(rings + submit.flags);
        _completionHead = (uint*)(rings + complete.head);
        _completionTail = (uint*)(rings + complete.tail);
        _submitMask = parameters.sq_entries - 1;
        _completionMask = parameters.cq_entries - 1;
        var array = (uint*)(rings + submit.array);
        for (uint i = 0; i < parameters.sq_entries; i++)
        {
            array[i] = i;
        }
    }

    /// <summary>Requests that were made and not yet handed to the kernel.</summary>
    public int WaitingCount => (int)(_tail - Volatile.Read(ref *_submitHead));

    /// <summary>Results wait, or the kernel has some to make when asked. Costs no system call.</summary>
    public bool HasWork => Volatile.Read(ref *_completionTail) != _head || (Volatile.Read(ref *_submitFlags) & (QueueTaskRun | QueueOverflow)) != 0;

    /// <param name="submissionCount">A power of two.</param>
    /// <param name="completionCount">A power of two, as many results as can be outstanding.</param>
    /// <param name="error">What the kernel said when it has no such ring; 0 otherwise.</param>
    public static IoUring? TryOpen(uint submissionCount, uint completionCount, out KernelError error)
    {
        var parameters = new io_uring_params
        {
            flags = SetupCompletionSize | SetupDisabled | SetupSubmitAll | SetupTaskRunFlag | SetupSingleIssuer | SetupDeferTaskRun,
            cq_entries = completionCount,
        };
        int result = SystemCalls.IoUringSetup(submissionCount, &parameters, out FileDescriptor? file);
        error = new KernelError(Math.Max(0, -result));
        return file is null ? null : new IoUring(file, parameters);
    }

    /// <summary>From now on the calling thread is the one that may use the ring.</summary>
    public void Enable() => Require(SystemCalls.IoUringRegister(_file.Number, RegisterEnableRings, null, 0), "IORING_REGISTER_ENABLE_RINGS");

    /// <summary>Asks for the next frame of a TAP.</summary>
    /// <param name="memory">Stays until the result is there.</param>
    /// <param name="isPatient">Waits for a frame; otherwise the result says <see cref="PortStatus.Again"/> when there is none.</param>
    public void Read(TunFile tun, byte* memory, int length, bool isPatient, ulong key)
    {
        io_uring_sqe* entry = Transfer(LibC.IORING_OP_READ, tun.Number, memory, length, key);

        // O_NONBLOCK does not count here: without this a read of an empty TAP waits.
        entry->rw_flags = isPatient ? 0 : NoWait;
    }

    /// <summary>Sends a frame, and does not wait for room.</summary>
    /// <param name="memory">Stays until the result is there.</param>
    public void Write(TunFile tun, byte* memory, int length, ulong key)
    {
        io_uring_sqe* entry = Transfer(LibC.IORING_OP_WRITE, tun.Number, memory, length, key);
        entry->rw_flags = NoWait;
    }

    /// <summary>Waits for a signal of the counter, once.</summary>
    public void Wait(EventCounter counter, byte* memory, ulong key) =>
        Transfer(LibC.IORING_OP_READ, counter.File.Number, memory, sizeof(ulong), key);

    /// <summary>Does nothing; its result comes behind those that are there at once.</summary>
    public void Mark(ulong key) => Next(LibC.IORING_OP_NOP)->user_data = key;

    /// <summary>Ends the request with the other key, whose result then comes at once if it has not come before.</summary>
    public void Cancel(ulong other, ulong key)
    {
        io_uring_sqe* entry = Next(LibC.IORING_OP_ASYNC_CANCEL);
        entry->fd = -1;
        entry->addr = other;
        entry->user_data = key;
    }

    /// <summary>Hands over all waiting requests and waits until there are results.</summary>
    /// <param name="resultCount">How many; 0 does not wait.</param>
    /// <param name="timeoutMilliseconds">Longest wait; -1 for ever. A signal ends it early.</param>
    public void Enter(int resultCount, int timeoutMilliseconds)
    {
        int waiting = WaitingCount;
        Volatile.Write(ref *_submitTail, _tail);
        if (resultCount == 0 || timeoutMilliseconds < 0)
        {
            Check(SystemCalls.IoUringEnter(_file.Number, waiting, resultCount, EnterGetEvents, null, 0));
            return;
        }

        var timeout = new Timeout(timeoutMilliseconds / 1000, timeoutMilliseconds % 1000 * 1_000_000L);
        var argument = new EnterArgument { Timeout = (ulong)&timeout };
        Check(SystemCalls.IoUringEnter(_file.Number, waiting, resultCount, EnterGetEvents | EnterExtendedArgument, &argument, sizeof(EnterArgument)));
    }

    /// <summary>Takes the next result, in the order in which they were made.</summary>
    /// <param name="length">Bytes moved, when the status is <see cref="PortStatus.Done"/>.</param>
    public bool TryTake(out ulong key, out PortStatus status, out int length)
    {
        if (Volatile.Read(ref *_completionTail) == _head)
        {
            Volatile.Write(ref *_completionHead, _head);
            key = 0;
            status = PortStatus.Again;
            length = 0;
            return false;
        }

        io_uring_cqe* result = _completions + (_head++ & _completionMask);
        key = result->user_data;
        length = Math.Max(0, result->res);
        status = result->res >= 0 ? PortStatus.Done : TunFile.StatusOf(-result->res);
        return true;
    }

    public void Dispose()
    {
        _file.Dispose();
        _entries.Dispose();
        _rings.Dispose();
    }

    private io_uring_sqe* Transfer(byte operation, int file, byte* memory, int length, ulong key)
    {
        io_uring_sqe* entry = Next(operation);
        entry->fd = file;
        entry->off = ulong.MaxValue; // wherever the file stands: it has no positions
        entry->addr = (ulong)memory;
        entry->len = (uint)length;
        entry->user_data = key;
        return entry;
    }

    private io_uring_sqe* Next(byte operation)
    {
        if (_tail - Volatile.Read(ref *_submitHead) > _submitMask)
        {
            Enter(0, 0);
        }

        io_uring_sqe* entry = _submissions + (_tail++ & _submitMask);
        *entry = default;
        entry->opcode = operation;
        return entry;
    }

    private static void Check(int result)
    {
        // A signal, the end of the time, and results that want taking first: the caller comes again.
        if (result < 0 && -result is not (KernelError.Interrupted or KernelError.TimedOut or KernelError.Busy or KernelError.Again))
        {
            Throw(result, "io_uring_enter");
        }
    }

    private static void Require(int result, string tried)
    {
        if (result < 0)
        {
            Throw(result, tried);
        }
    }

    private static void Throw(int result, string tried) => throw new DeviceException($"{tried}: {new KernelError(-result)}");

    // struct __kernel_timespec and struct io_uring_getevents_arg.
    private readonly record struct Timeout(long Seconds, long Nanoseconds);

    private struct EnterArgument
    {
        public ulong SignalMask;
        public uint SignalMaskLength;
        public uint LeastWaitMicroseconds;
        public ulong Timeout;
    }
}
