using System.Collections.Concurrent;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The thread that forwards: waits until frames wait on a TAP, takes them through the pipeline a burst at a time and sends what comes
/// out. Owns the flow state and the ports. Other threads ask it by <see cref="Invoke"/>, which it serves between two bursts.
/// </summary>
public sealed class Worker : IDisposable
{
    /// <summary>Frames taken from one port before the others get their turn.</summary>
    private const int BurstLength = 64;

    /// <summary>Requests served before the ports get their turn: those who list large tables ask again at once.</summary>
    private const int RequestCount = 8;

    /// <summary>How long the worker sleeps while flows can expire and neighbours can fail, and while nothing can.</summary>
    private const int TickMilliseconds = 100;

    private const int IdleMilliseconds = 1000;

    private readonly PacketPipeline _pipeline;
    private readonly LiveTables _live;
    private readonly Housekeeping _housekeeping;
    private readonly PortPoller _poller = new();
    private readonly ConcurrentQueue<Action> _requests = new();
    private readonly TapPort?[] _ports = new TapPort?[Port.MaxCount];
    private readonly byte[] _buffer = GC.AllocateArray<byte>(PacketContext.BufferLength, pinned: true);
    private readonly byte[] _segment = GC.AllocateArray<byte>(TapPort.LongestFrame, pinned: true);
    private readonly int[] _readyIds = new int[BurstLength];
    private readonly Thread _thread;
    private readonly Action<Exception> _onFault;
    private Snapshot _snapshot;
    private bool _stopping;
    private long _allocatedBytes;

    /// <param name="onFault">Called on the worker's thread when it dies of an exception; should end the process.</param>
    public Worker(LiveTables live, Snapshot snapshot, Action<Exception> onFault)
    {
        _live = live;
        _pipeline = new PacketPipeline(live);
        _housekeeping = new Housekeeping(live);
        _snapshot = snapshot;
        _onFault = onFault;
        _thread = new Thread(Run) { Name = "worker-0", IsBackground = true };
    }

    /// <summary>Bytes that the thread has allocated on the managed heap since it started: constant while it forwards.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocatedBytes);

    public void Start() => _thread.Start();

    /// <summary>Runs an action on the worker's thread between two bursts and returns when it is done. Not for the worker itself.</summary>
    /// <exception cref="ObjectDisposedException">The worker has stopped.</exception>
    public void Invoke(Action action)
    {
        using var done = new ManualResetEventSlim();
        Exception? failure = null;
        _requests.Enqueue(() =>
        {
            try
            {
                action();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                failure = e; // The one who asked gets it; the worker goes on.
            }

            done.Set();
        });
        _poller.Wake();
        while (!done.Wait(IdleMilliseconds))
        {
            ObjectDisposedException.ThrowIf(!_thread.IsAlive, this);
        }

        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    /// <summary>Changes the configuration and the ports between two bursts, so that no packet meets half of the change.</summary>
    /// <param name="detach">Ids whose ports are closed.</param>
    /// <param name="attach">Ports that begin to be served; the worker closes them in the end.</param>
    public void Reconfigure(Snapshot snapshot, IReadOnlyList<int> detach, IReadOnlyList<(int Id, TapPort Port)> attach)
    {
        List<TapPort> detached = [];
        Invoke(() =>
        {
            foreach (int id in detach)
            {
                if (Detach(id) is { } port)
                {
                    detached.Add(port);
                }
            }

            Volatile.Write(ref _snapshot, snapshot);
            foreach ((int id, TapPort port) in attach)
            {
                _live.Counters.ResetPort(id);
                _ports[id] = port;
                _poller.Add(port, id);
            }
        });

        // The kernel takes some 16 ms to close a TAP: not on the worker's time.
        detached.ForEach(port => port.Dispose());
    }

    /// <summary>Whether the port is served; false for one whose device has gone.</summary>
    public bool IsAttached(int id) => Volatile.Read(ref _ports[id]) is not null;

    /// <summary>The namespace that the port's device was made in, 0 for a port that is not served.</summary>
    public ulong NamespaceInodeOf(int id) => Volatile.Read(ref _ports[id])?.NamespaceInode ?? 0;

    /// <summary>Stops the thread and closes all ports.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _stopping, true);
        _poller.Wake();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        for (int id = 0; id < _ports.Length; id++)
        {
            Detach(id)?.Dispose();
        }

        _poller.Dispose();
    }

    private static MonoTime Now() => new(MonotonicClock.Nanoseconds);

    private void Run()
    {
        try
        {
            while (!Volatile.Read(ref _stopping))
            {
                RunOnce();
            }
        }
        catch (Exception e)
        {
            _onFault(e);
        }
    }

    private void RunOnce()
    {
        int timeout = !_requests.IsEmpty ? 0 : _live.Conntrack.Count > 0 || _live.Neighbors.Count > 0 ? TickMilliseconds : IdleMilliseconds;
        int readyCount = _poller.Wait(_readyIds, timeout);
        for (int i = 0; i < RequestCount && _requests.TryDequeue(out Action? request); i++)
        {
            request();
        }

        MonoTime now = Now();
        Snapshot snapshot = Volatile.Read(ref _snapshot);
        for (int i = 0; i < readyCount; i++)
        {
            ReceiveBurst(_readyIds[i], snapshot, now);
        }

        if (_housekeeping.IsDue(now))
        {
            _housekeeping.Run(snapshot, now);
            FlushOutbox();
            Interlocked.Exchange(ref _allocatedBytes, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    private void ReceiveBurst(int id, Snapshot snapshot, MonoTime now)
    {
        // A port detached by a request may still be among the ready ones, and one may go with an answer to its own frame: then another
        // thread closes it, and its number may soon be that of another file.
        for (int i = 0; i < BurstLength && _ports[id] is { } port; i++)
        {
            PortStatus status = port.TryReceive(_buffer.AsSpan(PacketContext.Headroom - VirtioNetHeader.Length), out int length);
            if (status == PortStatus.Gone)
            {
                Abandon(id);
                return;
            }

            if (status != PortStatus.Done)
            {
                return;
            }

            Forward(id, length - VirtioNetHeader.Length, snapshot, now);
        }
    }

    private void Forward(int id, int frameLength, Snapshot snapshot, MonoTime now)
    {
        VirtioNetHeader offload = VirtioNetHeader.Read(_buffer.AsSpan(PacketContext.Headroom - VirtioNetHeader.Length));
        var p = new PacketContext(_buffer, PacketContext.Headroom, frameLength, offload, id);
        Verdict verdict = _pipeline.Process(ref p, snapshot, now);
        _live.Counters.CountVerdict(p, verdict, frameLength);
        if (verdict == Verdict.Transmit)
        {
            Span<byte> frame = p.Buffer.Slice(p.FrameStart - VirtioNetHeader.Length, VirtioNetHeader.Length + p.FrameLength);
            p.Offload.WriteTo(frame);
            Transmit(p.EgressPort, frame);
        }

        if (_live.Outbox.ReadyCount > 0)
        {
            FlushOutbox();
        }
    }

    private void FlushOutbox()
    {
        while (_live.Outbox.TryTake(out int port, out Span<byte> frame))
        {
            Transmit(port, frame);
        }
    }

    private void Transmit(int id, Span<byte> frame)
    {
        TapOffloads output = _ports[id]?.Offloads ?? TapOffloads.All;
        if (!Segmenter.IsNeeded(frame, output))
        {
            Send(id, frame);
            return;
        }

        var segmenter = new Segmenter(frame, output);
        int count = 0;
        for (; segmenter.TryNext(_segment, out int length); count++)
        {
            Send(id, _segment.AsSpan(0, length));
        }

        if (count == 0)
        {
            _live.Counters.CountDrop(DropReason.EgressRefused, frame.Length - VirtioNetHeader.Length);
        }
    }

    private void Send(int id, ReadOnlySpan<byte> frame)
    {
        int length = frame.Length - VirtioNetHeader.Length;
        PortStatus status = _ports[id]?.TryTransmit(frame) ?? PortStatus.Gone;
        if (status == PortStatus.Done)
        {
            _live.Counters.CountTransmit(id, length);
            return;
        }

        _live.Counters.CountDrop(DropReason.EgressRefused, length);
        if (status == PortStatus.Gone)
        {
            Abandon(id);
        }
    }

    /// <summary>The device has gone: the port goes down, its file is closed elsewhere since that takes long.</summary>
    private void Abandon(int id)
    {
        if (Detach(id) is { } port)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static p => p.Dispose(), port, preferLocal: false);
        }
    }

    private TapPort? Detach(int id)
    {
        TapPort? port = _ports[id];
        if (port is not null)
        {
            _poller.Remove(port);
            Volatile.Write(ref _ports[id], null);
        }

        return port;
    }
}
