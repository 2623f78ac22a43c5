using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>The engine for every kernel: waits by epoll until ports are ready, reads and writes them one frame a system call.</summary>
internal sealed class ReadinessEngine : PortEngine
{
    private readonly PortPoller _poller = new();
    private readonly int[] _readyIds = new int[Burst.MaxCount];
    private int _readyCount;
    private int _next;
    private bool _isReadingOver;

    public ReadinessEngine(DatapathCounters counters)
        : base(counters)
    {
    }

    public override string Name => "readiness";

    public override void Start()
    {
    }

    private protected override bool HasWork => true;

    internal override void StopReading() => _isReadingOver = true;

    private protected override bool IsReading => false;

    internal override EventCounter WakeCounter => _poller.Counter;

    private protected override void Collect(int timeoutMilliseconds)
    {
        if (_next == _readyCount)
        {
            _next = 0;
            _readyCount = _poller.Wait(_readyIds, timeoutMilliseconds);
        }

        if (_isReadingOver)
        {
            _next = _readyCount;
        }

        while (_next < _readyCount && !Burst.IsFull)
        {
            int id = _readyIds[_next++];
            int before = Burst.Count;
            bool isDry = false;
            while (!Burst.IsFull && !isDry)
            {
                isDry = !TryReceive(id);
            }

            NewFlows?.Note(id, Burst.Count - before, isDry);
        }
    }

    public override void Flush()
    {
        // Sent already.
    }

    private protected override void Settle()
    {
        // Sent already.
    }

    private protected override void Serve(int id, TapPort port) => _poller.Add(port, id);

    private protected override void EndService(int id, TapPort port) => _poller.Remove(port);

    private protected override void Send(int id, TapPort port, int buffer, int start, int length)
    {
        Span<byte> packet = Buffers.BufferOf(buffer).Slice(start, length);
        CountSent(id, length - port.HeaderLength, port.TryTransmitPrepared(packet), packet[port.HeaderLength..]);
        Release(buffer);
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _poller.Dispose();
    }

    private bool TryReceive(int id)
    {
        // A port detached since it was found ready may be among those that are left; and others may have all our buffers for the moment.
        if (PortOf(id) is not { } port || FreeBufferCount == 0)
        {
            return false;
        }

        int buffer = Buffers.Take();
        PortStatus status = port.TryReceive(Buffers.BufferOf(buffer)[port.ReceiveOffset..], out int length);
        if (status == PortStatus.Done)
        {
            Burst.Add(FrameOf(id, buffer, length));
            return true;
        }

        Buffers.Return(buffer);
        if (status == PortStatus.Gone)
        {
            ReportGone(id);
        }

        return false;
    }
}
