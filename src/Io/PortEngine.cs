using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Moves frames between a worker and its ports: takes in a burst of those that wait, sends what the pipeline let pass, and lets the worker
/// sleep meanwhile. Belongs to the worker's thread, except <see cref="Wake"/> and the questions about ports, which anyone may ask.
/// </summary>
public abstract class PortEngine : IDisposable
{
    private readonly DatapathCounters _counters;
    private readonly TapPort?[] _ports = new TapPort?[Port.MaxCount];
    private readonly LinkSet _links;
    private readonly MemoryPaths _paths;
    private readonly Queue<int> _gone = new(Port.MaxCount);
    private readonly bool[] _isGone = new bool[Port.MaxCount];
    private readonly byte[] _whole = new byte[TapPort.LongestTunnelled];
    private readonly byte[] _segment = GC.AllocateArray<byte>(TapPort.LongestTunnelled, pinned: true);
    private int _attachedCount;
    private int _mostAttachedCount;
    private bool _isWoken;

    private protected PortEngine(DatapathCounters counters)
    {
        _counters = counters;
        Burst = new Burst(Buffers);
        _links = new LinkSet(Buffers, counters);
        _paths = new MemoryPaths(Buffers, _links);
        _links.Release = _paths.Release;
    }

    /// <summary>As the option says it: io_uring or readiness.</summary>
    public abstract string Name { get; }

    /// <summary>What came in with the last <see cref="Receive"/>. Every frame of it must go to <see cref="Complete"/> before the next.</summary>
    public Burst Burst { get; }

    /// <summary>Who wants to know which ports do not run dry; null for nobody.</summary>
    internal NewFlowGate? NewFlows { get; set; }

    /// <summary>Buffers that hold no frame and are not being filled.</summary>
    internal int FreeBufferCount => Buffers.FreeCount;

    private protected FrameBuffers Buffers { get; } = new();

    /// <summary>The engine that was asked for; without a wish io_uring where the kernel has it.</summary>
    /// <exception cref="DeviceException">The kernel has no such engine.</exception>
    public static PortEngine Open(EngineKind kind, DatapathCounters counters)
    {
        if (kind == EngineKind.Readiness)
        {
            return new ReadinessEngine(counters);
        }

        PortEngine? engine = RingEngine.TryOpen(counters, out string refusal) ?? (kind == EngineKind.Automatic ? new ReadinessEngine(counters) : (PortEngine?)null);
        return engine ?? throw new DeviceException(
                $"no io_uring as it is needed here: {refusal}; it wants Linux 6.1 and sysctl kernel.io_uring_disabled=0; without them use --engine readiness");
    }

    /// <summary>To be called once by the thread that the engine is to belong to.</summary>
    public abstract void Start();

    /// <summary>Ends the present Receive or, where there is none, the next one.</summary>
    public void Wake()
    {
        Volatile.Write(ref _isWoken, true);
        WakeCounter.Signal();
    }

    /// <summary>Fills <see cref="Burst"/> with frames that wait, some of each port; sleeps until there is one, the time is over, or <see cref="Wake"/>.</summary>
    /// <param name="timeoutMilliseconds">0 looks and returns.</param>
    /// <param name="spin">What to do before sleeping.</param>
    public void Receive(int timeoutMilliseconds, SpinPolicy spin)
    {
        Burst.Clear();
        if (_paths.IsAny)
        {
            _paths.Exchange(Burst);
            timeoutMilliseconds = Burst.Count > 0 ? 0 : timeoutMilliseconds;
        }

        if (timeoutMilliseconds == 0 || !spin.IsOn)
        {
            Wait(timeoutMilliseconds);
        }
        else
        {
            ReceiveSpinning(timeoutMilliseconds, spin);
        }

        Volatile.Write(ref _isWoken, false); // Whoever woke us has queued before; the worker looks at its queue now.
    }

    private void ReceiveSpinning(int timeoutMilliseconds, SpinPolicy spin)
    {
        if (spin.IsWorthwhile)
        {
            Collect(0);
            if (Burst.Count > 0)
            {
                return;
            }

            spin.BeginGap();
            while (Burst.Count == 0 && !Volatile.Read(ref _isWoken) && spin.TryContinue())
            {
                if (_paths.IsAny && _paths.HasFrames)
                    _paths.Exchange(Burst);
                if (HasWork)
                    Collect(0);
            }
        }
        else
        {
            spin.BeginGap();
        }

        if (Burst.Count == 0)
        {
            Wait(Volatile.Read(ref _isWoken) ? 0 : timeoutMilliseconds);
        }

        spin.EndGap(Burst.Count > 0);
    }

    /// <summary>Collects, and lets linked forwarders and the workers beside this one know when it sleeps over that.</summary>
    private void Wait(int timeoutMilliseconds)
    {
        if (!_paths.IsAny || timeoutMilliseconds == 0)
        {
            Collect(timeoutMilliseconds);
            return;
        }

        Collect(_paths.FallAsleep() ? timeoutMilliseconds : 0);
        _paths.WakeUp();
        _paths.Exchange(Burst);
    }

    /// <summary>From now on no frame is read; those that were asked for still come.</summary>
    internal abstract void StopReading();

    /// <summary>Nothing is on its way here.</summary>
    internal bool IsQuiet => Burst.Count == 0 && !_paths.HasFrames && !IsReading;

    /// <summary>A read is under way, or what it brought waits.</summary>
    private protected abstract bool IsReading { get; }

    /// <summary>A port that is served, null for one that is not or whose device has gone.</summary>
    public TapPort? Served(int id) => Volatile.Read(ref _ports[id]);

    public void Attach(int id, TapPort port)
    {
        _counters.ResetPort(id);
        _isGone[id] = false;
        Volatile.Write(ref _ports[id], port);
        if (++_attachedCount > _mostAttachedCount)
        {
            _mostAttachedCount = _attachedCount;
            Buffers.Grow(1);
        }

        Serve(id, port);
    }

    /// <summary>Ends the service of a port: nothing of it is under way any more, and the caller may close it. Null when it was not served.</summary>
    public TapPort? Detach(int id)
    {
        TapPort? port = _ports[id];
        if (port is not null)
        {
            EndService(id, port);
            _attachedCount--;
            Volatile.Write(ref _ports[id], null);
        }

        return port;
    }

    /// <summary>Ends the service of all ports and closes them.</summary>
    public void DetachAll()
    {
        for (int id = 0; id < _ports.Length; id++)
        {
            Detach(id)?.Dispose();
        }
    }

    /// <summary>A port whose device has gone, and which wants to be detached.</summary>
    public bool TryTakeGone(out int id)
    {
        while (_gone.TryDequeue(out id))
        {
            // Another port may have got the number since.
            if (_isGone[id])
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Sends a frame of the burst if its verdict says so; its buffer is the engine's again.</summary>
    public void Complete(in BurstFrame frame)
    {
        if (frame.Verdict == Verdict.Transmit)
        {
            int start = frame.Start - VirtioNetHeader.Length;
            int length = frame.Length + VirtioNetHeader.Length;
            frame.Offload.WriteTo(Buffers.BufferOf(frame.Buffer).Slice(start, length));
            if (_links.CanSend && !frame.Offload.IsToBeFragmented && _links.TrySend(frame.EgressPort, frame.Buffer, start, length))
            {
                return;
            }

            if (_ports[frame.EgressPort] is not { } port)
            {
                CountSent(frame.EgressPort, frame.Length, PortStatus.Gone, Buffers.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length));
            }
            else if (((port.Offloads & TapOffloads.All) != TapOffloads.All || frame.Offload.IsToBeLookedAt) && Segmenter.IsNeeded(Buffers.BufferOf(frame.Buffer).Slice(start, length), port.Offloads))
            {
                Flush();
                SendSegments(frame.EgressPort, port, Buffers.BufferOf(frame.Buffer).Slice(start, length));
            }
            else
            {
                port.Prepare(Buffers.BufferOf(frame.Buffer), frame);
                Send(frame.EgressPort, port, frame.Buffer, frame.Start - port.HeaderLength, frame.Length + port.HeaderLength);
                return;
            }
        }
        else if (frame.Verdict == Verdict.HandedOver && _paths.Siblings!.HandOver(frame))
        {
            return;
        }

        Release(frame.Buffer);
    }

    /// <summary>Sends a frame that is no part of the burst, virtio header first, behind all that was completed before.</summary>
    public void Transmit(int id, Span<byte> frame)
    {
        if (_links.CanSend && !VirtioNetHeader.Read(frame).IsToBeFragmented && _links.TrySend(id, frame))
        {
            return;
        }

        Flush();
        if (_ports[id] is { } port && Segmenter.IsNeeded(frame, port.Offloads))
        {
            SendSegments(id, port, frame);
        }
        else
        {
            CountSent(id, frame.Length - VirtioNetHeader.Length, _ports[id]?.TryTransmit(frame) ?? PortStatus.Gone, frame[VirtioNetHeader.Length..]);
        }
    }

    /// <summary>Hands over all that was completed.</summary>
    public abstract void Flush();

    /// <summary>Begins to exchange frames with another forwarder, instead of sending them by a port; the engine closes the link in the end.</summary>
    internal void AttachLink(MemoryLink link, FileDescriptor peerBuffers, int port)
    {
        _links.Add(link, peerBuffers, port);
        _paths.Look();
    }

    /// <summary>Ends the exchange; frames for the peer leave by the port again. No error for a link that is none any more.</summary>
    internal void DetachLink(MemoryLink link)
    {
        Settle(); // Frames of the peer that are being sent have gone.
        _links.Remove(link);
        _paths.Look();
    }

    /// <summary>The paths to the workers beside this one; null where there are none.</summary>
    internal WorkerLinks? Siblings => _paths.Siblings;

    /// <summary>Joins the engines of all workers of a process; before any of them starts.</summary>
    internal static void Connect(IReadOnlyList<PortEngine> engines) => WorkerLinks.Connect(
        [.. engines.Select(e => (e.Buffers, e._counters, new WorkerBed(e.WakeCounter)))], (i, links) => engines[i]._paths.Join(links, engines[i]));

    /// <summary>Which forwarders the first worker is linked to, for another worker: their frames leave by the first.</summary>
    internal void SendByFirst(MacAddress[] peers, int port) => _links.SendByFirst(_paths.Siblings!, peers, port);

    /// <summary>Memory of our buffers and our wake, for a forwarder that is to be linked.</summary>
    internal FileDescriptor BufferFile => Buffers.File;

    internal abstract EventCounter WakeCounter { get; }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Something may be there to collect; costs no more than collecting.</summary>
    private protected abstract bool HasWork { get; }

    /// <summary>Has everything sent that was completed, and every buffer of it back.</summary>
    private protected abstract void Settle();

    /// <summary>Fills the burst, which is empty, with what is there, waiting for it if need be.</summary>
    private protected abstract void Collect(int timeoutMilliseconds);

    private protected abstract void Serve(int id, TapPort port);

    private protected abstract void EndService(int id, TapPort port);

    /// <summary>Sends some bytes of a buffer, and gives the buffer back when the kernel has them.</summary>
    private protected abstract void Send(int id, TapPort port, int buffer, int start, int length);

    protected virtual void Dispose(bool disposing)
    {
        for (int id = 0; id < _ports.Length; id++)
        {
            _ports[id]?.Dispose();
        }

        _paths.Dispose();
        Buffers.Dispose();
    }

    /// <summary>A frame that came in or was sent needs its buffer no longer.</summary>
    private protected void Release(int buffer)
    {
        if (buffer < FrameBuffers.MostCount)
        {
            Buffers.Return(buffer);
        }
        else
        {
            _paths.Release(buffer);
        }
    }

    /// <summary>Makes of a packet what the port can take.</summary>
    private void SendSegments(int id, TapPort port, Span<byte> packet)
    {
        var cutter = new FrameCutter(packet, port.Offloads, _whole);
        int count = 0;
        for (; cutter.TryNext(_segment, out int length); count++)
        {
            Span<byte> piece = _segment.AsSpan(0, length);
            if (!_links.CanSend || !_links.TrySend(id, piece))
            {
                CountSent(id, length - VirtioNetHeader.Length, port.TryTransmit(piece), piece[VirtioNetHeader.Length..]);
            }
        }

        if (count == 0)
        {
            CountSent(id, packet.Length - VirtioNetHeader.Length, PortStatus.Refused, packet[VirtioNetHeader.Length..]);
        }
    }

    /// <summary>A frame was received into a buffer, virtio header first.</summary>
    private protected BurstFrame FrameOf(int id, int buffer, int length) => new()
    {
        Buffer = buffer,
        IngressPort = id,
        Start = PacketContext.Headroom,
        Length = Math.Max(0, length - _ports[id]!.HeaderLength),
        Offload = _ports[id]!.OffloadOf(Buffers.BufferOf(buffer), length),
    };

    private protected TapPort? PortOf(int id) => _ports[id];

    /// <param name="length">Of the frame.</param>
    /// <param name="frame">For those who are told of drops; empty where the buffer has been given back.</param>
    private protected void CountSent(int id, int length, PortStatus status, Span<byte> frame)
    {
        if (status == PortStatus.Done)
        {
            _counters.CountTransmit(id, length);
            return;
        }

        _counters.CountDrop(DropReason.EgressRefused, length, frame, id);
        if (status == PortStatus.Gone)
        {
            ReportGone(id);
        }
    }

    private protected void ReportGone(int id)
    {
        if (!_isGone[id] && _ports[id] is not null)
        {
            _isGone[id] = true;
            _gone.Enqueue(id);
        }
    }
}
