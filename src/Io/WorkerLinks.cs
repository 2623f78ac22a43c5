using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// One worker's ends of the paths to the workers beside it: frames of their flows that came in here go over, frames of ours come. They are
/// lent, not copied, each to be worked on and sent where it lies. A full path drops and counts; nobody waits for anybody. Belongs to the
/// worker's thread.
/// </summary>
internal sealed class WorkerLinks
{
    /// <summary>Number of the first worker's buffers among ours, behind those of other forwarders.</summary>
    private const int FirstNumber = FrameBuffers.MaxLinkCount + 1;

    /// <summary>Frames taken from the workers beside us before the ports get their turn.</summary>
    private const int MaxTakenCount = Burst.MaxCount / 2;

    /// <summary>With fewer free buffers a sleeper wants to know of those that come back.</summary>
    private const int FewBuffers = 64;

    private readonly FrameBuffers _buffers;
    private readonly DatapathCounters _counters;
    private readonly int _worker;
    private readonly HandoverPath[][] _paths;
    private readonly WorkerBed[] _beds;
    private readonly bool[] _hasSent;
    private readonly bool[] _hasGivenBack;
    private bool _hasToTell;
    private int _turn;

    /// <param name="paths">By the worker that lends and the one that borrows; all workers have the same.</param>
    /// <param name="beds">By worker.</param>
    private WorkerLinks(FrameBuffers buffers, DatapathCounters counters, int worker, HandoverPath[][] paths, WorkerBed[] beds)
    {
        _buffers = buffers;
        _counters = counters;
        _worker = worker;
        _paths = paths;
        _beds = beds;
        _hasSent = new bool[beds.Length];
        _hasGivenBack = new bool[beds.Length];
        buffers.Grow(Math.Min((beds.Length - 1) * HandoverPath.MaxLentCount, MemoryLink.MaxLentCount));
    }

    /// <summary>The ports that this worker knows, by id: a frame of one that has gone since it was handed over is given back.</summary>
    public Port?[] Ports { get; set; } = [];

    /// <summary>What the first worker does with frames that others want sent by it.</summary>
    public Action<BurstFrame>? Send { get; set; }

    /// <summary>A frame, or news, waits here.</summary>
    public bool HasFrames
    {
        get
        {
            for (int other = 0; other < _beds.Length; other++)
            {
                if (other != _worker && (!_paths[other][_worker].Frames.IsEmpty || !_paths[other][_worker].News.IsEmpty))
                {
                    return true;
                }
            }

            return false;
        }
    }

    private bool HasReturns
    {
        get
        {
            for (int other = 0; other < _beds.Length; other++)
            {
                if (other != _worker && !_paths[_worker][other].Returns.IsEmpty)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>Joins the workers of a process; before any of them runs.</summary>
    public static void Connect(IReadOnlyList<(FrameBuffers Buffers, DatapathCounters Counters, WorkerBed Bed)> workers, Action<int, WorkerLinks> give)
    {
        WorkerBed[] beds = [.. workers.Select(w => w.Bed)];
        HandoverPath[][] paths = [.. workers.Select(_ => workers.Select(_ => new HandoverPath()).ToArray())];
        for (int i = 0; i < workers.Count; i++)
        {
            for (int other = 0; other < workers.Count; other++)
            {
                if (other != i)
                {
                    workers[i].Buffers.Map(FirstNumber + other, workers[other].Buffers.File);
                }
            }

            give(i, new WorkerLinks(workers[i].Buffers, workers[i].Counters, i, paths, beds));
        }
    }

    /// <summary>Whether the buffer is of a worker beside us.</summary>
    public static bool IsBorrowed(int buffer) => buffer >= FirstNumber * FrameBuffers.MostCount;

    /// <summary>
    /// Hands a frame over to the worker that its note names; one whose verdict is to transmit goes to the first worker, who sends it. A frame that
    /// finds no room is dropped and counted.
    /// </summary>
    /// <returns>The frame's buffer is given away; else it is the engine's again.</returns>
    public bool HandOver(BurstFrame frame)
    {
        int to = frame.Note.Worker;
        HandoverPath path = _paths[_worker][to];
        bool isOwn = frame.Buffer < FrameBuffers.MostCount;
        if (path.LentCount == HandoverPath.MaxLentCount || (!isOwn && _buffers.FreeCount == 0))
        {
            CountDrop(frame);
            return false;
        }

        if (frame.Verdict != Verdict.Transmit)
        {
            frame.Verdict = Verdict.Continue;
            _counters.CountHandedOver();
        }

        path.Frames.TryAdd(isOwn ? frame : CopyOf(frame)); // It has as many places as can be lent.
        path.LentCount++;
        _hasSent[to] = true;
        _hasToTell = true;
        return isOwn;
    }

    /// <summary>The same for a frame that lies elsewhere, and was counted when it came in.</summary>
    public void HandOver(in BurstFrame frame, ReadOnlySpan<byte> bytes)
    {
        int buffer = _buffers.FreeCount > 0 && _paths[_worker][frame.Note.Worker].LentCount < HandoverPath.MaxLentCount ? _buffers.Take() : -1;
        if (buffer < 0)
        {
            _counters.CountDrop(DropReason.WorkerBusy, frame.Length, default, frame.IngressPort);
            return;
        }

        bytes.CopyTo(_buffers.BufferOf(buffer)[PacketContext.Headroom..]);
        HandOver(frame with { Buffer = buffer, Start = PacketContext.Headroom });
    }

    /// <summary>Tells the workers beside us what was learned of neighbours.</summary>
    public void Tell(ReadOnlySpan<NeighborNews> news)
    {
        for (int other = 0; other < _beds.Length; other++)
        {
            for (int i = 0; i < news.Length && other != _worker; i++)
            {
                _hasSent[other] |= _paths[_worker][other].News.TryAdd(news[i]);
                _hasToTell |= _hasSent[other];
            }
        }
    }

    public bool TryTakeNews(out NeighborNews news)
    {
        for (int other = 0; other < _beds.Length; other++)
        {
            if (other != _worker && _paths[other][_worker].News.TryTake(out news))
            {
                return true;
            }
        }

        news = default;
        return false;
    }

    /// <summary>Wakes those who sleep over what we had for them, takes back what they have done with, and adds what they handed over to the burst.</summary>
    public void Exchange(Burst burst)
    {
        if (_hasToTell)
        {
            Notify();
        }

        int room = MaxTakenCount;
        for (int i = 1; i < _beds.Length; i++)
        {
            int other = (_worker + 1 + ((_turn + i) % (_beds.Length - 1))) % _beds.Length;
            HandoverPath outward = _paths[_worker][other];
            while (outward.Returns.TryTake(out int own))
            {
                outward.LentCount--;
                _buffers.Return(own);
            }

            while (room > 0 && !burst.IsFull && _paths[other][_worker].Frames.TryTake(out BurstFrame frame))
            {
                int buffer = ((FirstNumber + other) * FrameBuffers.MostCount) + frame.Buffer;
                room--;
                if (frame.Verdict == Verdict.Transmit)
                {
                    Send!(frame with { Buffer = buffer });
                }
                else if (frame.IngressPort < Ports.Length && Ports[frame.IngressPort] is not null)
                {
                    burst.Add(frame with { Buffer = buffer });
                }
                else
                {
                    GiveBack(buffer);
                }
            }
        }

        _turn = _turn + 1 == _beds.Length - 1 ? 0 : _turn + 1; // Who comes first takes the room.
    }

    /// <summary>Gives a borrowed buffer back.</summary>
    public void GiveBack(int buffer)
    {
        int number = buffer / FrameBuffers.MostCount;
        int other = number - FirstNumber;
        _paths[other][_worker].Returns.TryAdd(buffer - (number * FrameBuffers.MostCount)); // It has as many places as can be lent.
        _hasGivenBack[other] = true;
        _hasToTell = true;
    }

    /// <summary>Wakes those who sleep over what we had for them and says that we sleep; false when something has come meanwhile.</summary>
    public bool FallAsleep()
    {
        if (_hasToTell)
        {
            Notify();
        }

        bool wantsBuffers = _buffers.FreeCount < FewBuffers;
        _beds[_worker].Say(wantsBuffers ? PeerSleep.UntilBuffers : PeerSleep.UntilFrames);
        return !HasFrames && !(wantsBuffers && HasReturns);
    }

    public void WakeUp() => _beds[_worker].Say(PeerSleep.Awake);

    private void CountDrop(in BurstFrame frame)
    {
        if (frame.Verdict == Verdict.Transmit)
        {
            _counters.CountDrop(DropReason.WorkerBusy, frame.Length); // It was counted when it came in.
        }
        else
        {
            _counters.CountVerdict(frame.IngressPort, Verdict.Drop, DropReason.WorkerBusy, frame.Length);
        }

        _counters.Events?.TellDrop(_buffers.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length), frame.IngressPort, DropReason.WorkerBusy);
    }

    private void Notify()
    {
        Interlocked.MemoryBarrier(); // What was written is seen before the sleeper's word is read; the sleeper does it the other way round.
        for (int other = 0; other < _beds.Length; other++)
        {
            if (_hasSent[other] || _hasGivenBack[other])
            {
                _beds[other].WakeFor(_hasSent[other], _hasGivenBack[other]);
                _hasSent[other] = false;
                _hasGivenBack[other] = false;
            }
        }

        _hasToTell = false;
    }

    private BurstFrame CopyOf(in BurstFrame frame)
    {
        int copy = _buffers.Take();
        _buffers.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length).CopyTo(_buffers.BufferOf(copy)[PacketContext.Headroom..]);
        return frame with { Buffer = copy, Start = PacketContext.Headroom };
    }
}
