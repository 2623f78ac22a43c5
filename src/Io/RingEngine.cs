using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The engine on io_uring: one system call hands over the writes of the last burst and the reads of the next, and sleeps. Each port has
/// one patient read, which stays until a frame comes; where several frames are expected, reads that do not wait go before it. So an idle
/// port costs nothing, a single frame costs one wake-up, and a flood comes in batches. Frames of a port keep their order, since the kernel
/// serves requests in theirs and at most one of a port's reads waits.
/// </summary>
internal sealed unsafe class RingEngine : PortEngine
{
    private const uint SubmissionCount = 1024;
    private const uint CompletionCount = 8192;

    /// <summary>Between two looks whether a cancelled read has ended.</summary>
    private const int CancelMilliseconds = 100;

    private readonly IoUring _ring;
    private readonly EventCounter _wake = new();
    private readonly void* _wakeCount = NativeMemory.AllocZeroed(sizeof(ulong));
    private readonly PortReads[] _reads = new PortReads[Port.MaxCount];

    // Ports without a read under way, and frames that came and did not fit the burst; the order of coming in both.
    private readonly int[] _wanting = new int[Port.MaxCount];
    private readonly (int Port, int Buffer, int Length)[] _received = new (int, int, int)[2 * FrameBuffers.MostCount];
    private int _wantingCount;
    private int _receivedCount;
    private int _takenCount;

    /// <summary>Requests since the last system call whose results are certain to come at once.</summary>
    private int _certainCount;
    private bool _isMarkTaken;
    private bool _isWakeAwaited;
    private bool _isReadingOver;

    private RingEngine(IoUring ring, DatapathCounters counters)
        : base(counters) => _ring = ring;

    private enum RequestKind : byte
    {
        Read,
        PatientRead,
        Write,
        Wake,
        Mark,
        Cancel,
    }

    public override string Name => "io_uring";

    private protected override bool HasWork => _receivedCount > _takenCount || _ring.HasWork;

    private protected override bool IsReading
    {
        get
        {
            int outstanding = _receivedCount - _takenCount;
            for (int id = 0; id < _reads.Length; id++)
            {
                outstanding += PortOf(id) is null ? 0 : _reads[id].OutstandingCount;
            }

            return outstanding > 0;
        }
    }

    internal override void StopReading()
    {
        _isReadingOver = true;
        for (int id = 0; id < _reads.Length; id++)
        {
            if (PortOf(id) is not null && _reads[id].PatientBuffer >= 0)
            {
                _ring.Cancel(Key(RequestKind.PatientRead, id, _reads[id].PatientBuffer), Key(RequestKind.Cancel));
            }
        }
    }

    /// <param name="refusal">Why the kernel has no such ring.</param>
    public static RingEngine? TryOpen(DatapathCounters counters, out string refusal)
    {
        IoUring? ring = IoUring.TryOpen(SubmissionCount, CompletionCount, out KernelError error);
        refusal = $"io_uring_setup: {error}";
        return ring is null ? null : new RingEngine(ring, counters);
    }

    public override void Start() => _ring.Enable();

    public override void Flush()
    {
        if (_ring.WaitingCount > 0)
        {
            Enter(0, 0);
        }
    }

    internal override EventCounter WakeCounter => _wake;

    private protected override void Settle()
    {
        Enter(0, 0);
        Harvest();
    }

    private protected override void Serve(int id, TapPort port)
    {
        _reads[id] = PortReads.None;
        _wanting[_wantingCount++] = id;
    }

    private protected override void EndService(int id, TapPort port)
    {
        ref PortReads reads = ref _reads[id];
        reads.IsEnding = true;
        if (reads.PatientBuffer >= 0)
        {
            _ring.Cancel(Key(RequestKind.PatientRead, id, reads.PatientBuffer), Key(RequestKind.Cancel));
        }

        // Once around at least: what was written to the port must have gone.
        do
        {
            Enter(reads.OutstandingCount > 0 ? 1 : 0, CancelMilliseconds);
            Harvest();
        }
        while (reads.OutstandingCount > 0);
        Forget(id);
    }

    private protected override void Send(int id, TapPort port, int buffer, int start, int length)
    {
        _ring.Write(port.Tun, Buffers.AddressOf(buffer) + start, length, Key(RequestKind.Write, id, buffer, length - port.HeaderLength));
        _certainCount++;
    }

    private protected override void Collect(int timeoutMilliseconds)
    {
        if (_receivedCount == _takenCount)
        {
            _receivedCount = 0;
            _takenCount = 0;
            bool areFramesLikely = RequestReads();

            // What is certain to come at once must not pass for a frame that was waited for.
            Enter(timeoutMilliseconds == 0 || areFramesLikely ? 0 : _certainCount + 1, timeoutMilliseconds);
            Harvest();
        }

        while (_takenCount < _receivedCount && !Burst.IsFull)
        {
            (int id, int buffer, int length) = _received[_takenCount++];
            Burst.Add(FrameOf(id, buffer, length));
        }
    }

    protected override void Dispose(bool disposing)
    {
        _ring.Dispose();
        _wake.Dispose();
        NativeMemory.Free(_wakeCount);
        base.Dispose(disposing);
    }

    /// <summary>What comes back with a result: of which request, and what it was about. A frame's length needs 17 bits.</summary>
    private static ulong Key(RequestKind kind, int id = 0, int buffer = 0, int length = 0) =>
        (ulong)kind << 60 | (ulong)(uint)id << 48 | (ulong)(uint)buffer << 24 | (uint)length;

    /// <returns>Some of the reads are for frames that are likely to be there.</returns>
    private bool RequestReads()
    {
        if (!_isWakeAwaited)
        {
            _ring.Wait(_wake, (byte*)_wakeCount, Key(RequestKind.Wake));
            _isWakeAwaited = true;
        }

        if (_wantingCount == 0 || _isReadingOver)
        {
            return false;
        }

        bool areFramesLikely = false;
        int asked = 0;
        while (asked < _wantingCount && Buffers.FreeCount > 0)
        {
            // One buffer stays for each of the others' patient reads.
            int id = _wanting[asked++];
            int aheadCount = Math.Min(_reads[id].AheadCount, Buffers.FreeCount - 1 - (_wantingCount - asked));
            areFramesLikely |= aheadCount > 0;
            RequestReads(id, aheadCount);
        }

        Array.Copy(_wanting, asked, _wanting, 0, _wantingCount - asked);
        _wantingCount -= asked;
        _ring.Mark(Key(RequestKind.Mark));
        _certainCount++;
        _isMarkTaken = false;
        return areFramesLikely;
    }

    private void RequestReads(int id, int aheadCount)
    {
        TapPort port = PortOf(id)!;
        ref PortReads reads = ref _reads[id];
        for (int i = 0; i <= aheadCount; i++)
        {
            int buffer = Buffers.Take();
            bool isPatient = i >= aheadCount;
            if (isPatient)
            {
                reads.AskPatiently(buffer);
            }
            else
            {
                reads.Ask();
            }

            ulong key = Key(isPatient ? RequestKind.PatientRead : RequestKind.Read, id, buffer);
            _ring.Read(port.Tun, Buffers.AddressOf(buffer) + port.ReceiveOffset, PacketContext.BufferLength - port.ReceiveOffset, isPatient, key);
        }
    }

    private void Enter(int resultCount, int timeoutMilliseconds)
    {
        _ring.Enter(resultCount, timeoutMilliseconds);
        _certainCount = 0;
    }

    private void Harvest()
    {
        while (_ring.TryTake(out ulong key, out PortStatus status, out int length))
        {
            var kind = (RequestKind)(key >> 60);
            int id = (int)(key >> 48) & 0xFFF;
            int buffer = (int)(key >> 24) & 0xFF_FFFF;
            switch (kind)
            {
                case RequestKind.Read or RequestKind.PatientRead:
                    TakeFrame(id, buffer, kind == RequestKind.PatientRead, status, length);
                    break;
                case RequestKind.Write:
                    Release(buffer);
                    CountSent(id, (int)key & 0xFF_FFFF, status, default);
                    break;
                case RequestKind.Wake:
                    _isWakeAwaited = false;
                    break;
                case RequestKind.Mark:
                    _isMarkTaken = true;
                    break;
                default:
                    break;
            }
        }
    }

    private void TakeFrame(int id, int buffer, bool isPatient, PortStatus status, int length)
    {
        ref PortReads reads = ref _reads[id];
        bool hasFrame = status == PortStatus.Done && !reads.IsEnding;
        reads.TakeResult(hasFrame);
        if (hasFrame)
        {
            _received[_receivedCount++] = (id, buffer, length);
        }
        else
        {
            Buffers.Return(buffer);
        }

        if (!isPatient)
        {
            return;
        }

        bool cameAtOnce = !_isMarkTaken;
        int frameCount = reads.EndRound(cameAtOnce);
        NewFlows?.Note(id, frameCount, isDry: !cameAtOnce || frameCount <= PortReads.MaxAheadCount);
        if (status == PortStatus.Gone)
        {
            ReportGone(id);
        }
        else if (!reads.IsEnding)
        {
            _wanting[_wantingCount++] = id;
        }
    }

    /// <summary>Takes a port out of all that is yet to be done.</summary>
    private void Forget(int id)
    {
        int kept = 0;
        for (int i = 0; i < _wantingCount; i++)
        {
            if (_wanting[i] != id)
            {
                _wanting[kept++] = _wanting[i];
            }
        }

        _wantingCount = kept;
        kept = _takenCount;
        for (int i = _takenCount; i < _receivedCount; i++)
        {
            if (_received[i].Port != id)
            {
                _received[kept++] = _received[i];
            }
            else
            {
                Buffers.Return(_received[i].Buffer);
            }
        }

        _receivedCount = kept;
    }
}
