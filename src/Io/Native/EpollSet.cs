using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>An epoll set of TAPs with an event counter beside them that ends a wait.</summary>
internal sealed unsafe class EpollSet : IDisposable
{
    private const ulong WakeKey = ulong.MaxValue;
    private const int EventCount = 64;

    private readonly FileDescriptor _epoll;
    private readonly EventCounter _counter = new();

    // Owned by the one thread that waits; the kernel writes it during the call only.
    private readonly epoll_event[] _events = new epoll_event[EventCount];

    public EpollSet()
    {
        Require(SystemCalls.EpollCreate(out FileDescriptor? epoll), "epoll_create1");
        _epoll = epoll!;
        try
        {
            Require(Control(LibC.EPOLL_CTL_ADD, _counter.File, WakeKey), "epoll_ctl");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public void Add(TunFile tun, int id, string name)
    {
        FileDescriptor file = tun.OpenFile ?? throw new ObjectDisposedException(name);
        Require(Control(LibC.EPOLL_CTL_ADD, file, (ulong)id), $"{name}: epoll_ctl");
    }

    // Unknown or just closed: the kernel has taken it out itself.
    public void Remove(TunFile tun)
    {
        if (tun.OpenFile is { } file)
        {
            _ = Control(LibC.EPOLL_CTL_DEL, file, 0);
        }
    }

    public int Wait(Span<int> readyIds, int timeoutMilliseconds)
    {
        if (readyIds.IsEmpty || _epoll.IsClosed)
        {
            ThrowUnusable(readyIds.IsEmpty);
        }

        int readyCount = 0;
        fixed (epoll_event* events = _events)
        {
            int eventCount = SystemCalls.EpollWait(_epoll.Number, events, Math.Min(readyIds.Length, EventCount), timeoutMilliseconds);
            GC.KeepAlive(_epoll);
            Require(eventCount, "epoll_wait");
            for (int i = 0; i < eventCount; i++)
            {
                ulong key = events[i].data.u64;
                if (key == WakeKey)
                {
                    _counter.Drain();
                }
                else
                {
                    readyIds[readyCount++] = (int)key;
                }
            }
        }

        return readyCount;
    }

    public EventCounter Counter => _counter;

    public void Wake() => _counter.Signal();

    public void Dispose()
    {
        _counter.Dispose();
        _epoll?.Dispose();
    }

    private int Control(int operation, FileDescriptor file, ulong key)
    {
        var wanted = new epoll_event { events = LibC.EPOLLIN };
        wanted.data.u64 = key;
        return SystemCalls.EpollControl(_epoll, operation, file.Number, &wanted);
    }

    private static void Require(int result, string tried)
    {
        if (result < 0)
        {
            Throw(result, tried);
        }
    }

    private static void Throw(int result, string tried) => throw new DeviceException($"{tried}: {new KernelError(-result)}");

    private static void ThrowUnusable(bool emptyBuffer) =>
        throw (emptyBuffer ? new ArgumentException("room for one id at least is needed") : new ObjectDisposedException(nameof(PortPoller)));
}
