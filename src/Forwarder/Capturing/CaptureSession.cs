using System.Net.Sockets;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Forwarder.Capturing;

/// <summary>One capture: takes what the workers' taps have caught, puts it into pcapng and sends it to whoever connected. Has a thread of its own.</summary>
internal sealed class CaptureSession
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    /// <summary>How long to sleep when nothing is there.</summary>
    private const int PauseMilliseconds = 5;

    private const int RefreshMilliseconds = 1000;

    /// <summary>Bytes that are sent at once.</summary>
    private const int ChunkLength = 128 * 1024;

    private readonly NodeRuntime _node;
    private readonly Socket _listener;
    private readonly string _path;
    private readonly CaptureComments _comments;
    private readonly PcapngWriter _pcapng = new();
    private readonly Dictionary<(int Port, string Name), int> _interfaces = [];
    private readonly List<ulong> _counts = [];
    private readonly byte[] _frame = new byte[PacketContext.BufferLength];
    private readonly int _snapLength;
    private readonly long _wallOffset = (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000) - MonotonicClock.Nanoseconds;
    private long _left;

    /// <param name="listener">Owned by the session from now on.</param>
    /// <param name="count">Frames after which it ends.</param>
    public CaptureSession(NodeRuntime node, Socket listener, string path, IReadOnlyList<CaptureTap> taps, long count, int snapLength)
    {
        _node = node;
        _listener = listener;
        _path = path;
        _comments = new CaptureComments(node);
        _left = count;
        _snapLength = snapLength;
        Taps = taps;
    }

    /// <summary>One for each worker.</summary>
    public IReadOnlyList<CaptureTap> Taps { get; }

    /// <param name="ready">Called when a reader is there: the taps are to be opened.</param>
    /// <param name="over">Called in the end, whatever it was, and perhaps before: the taps are to be closed.</param>
    public void Start(Action ready, Action over) => new Thread(() => Run(ready, over)) { Name = "capture", IsBackground = true }.Start();

    private void Run(Action ready, Action over)
    {
        try
        {
            using Socket reader = Accept();
            _comments.Refresh();
            _pcapng.Section("cmesh-forwarder " + Program.Version, $"{_node.Local.Cluster}/{_node.Local.Name}");
            ready();
            Forward(reader);
            over();
            Finish(reader);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException or TimeoutException)
        {
            // The reader has gone, or the forwarder goes: nobody is there to be told.
        }
        finally
        {
            over();
            foreach (CaptureTap tap in Taps)
            {
                tap.Dispose(); // No worker has it any more, and nobody reads.
            }
        }
    }

    private Socket Accept()
    {
        try
        {
            using var limit = new CancellationTokenSource(s_patience);
            return _listener.AcceptAsync(limit.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException();
        }
        finally
        {
            _listener.Dispose();
            File.Delete(_path);
        }
    }

    private void Forward(Socket reader)
    {
        long refreshed = Environment.TickCount64;
        while (_left > 0)
        {
            bool isAny = false;
            foreach (CaptureTap tap in Taps)
            {
                isAny |= Drain(tap);
            }

            if (_pcapng.Length > 0)
            {
                Send(reader);
            }

            if (reader.Poll(isAny ? 0 : PauseMilliseconds * 1000, SelectMode.SelectRead) && IsAtEnd(reader))
            {
                break;
            }

            if (Environment.TickCount64 - refreshed > RefreshMilliseconds)
            {
                refreshed = Environment.TickCount64;
                _comments.Refresh();
            }
        }
    }

    /// <summary>The reader sends nothing; when it has shut its side down, it wants the end.</summary>
    private static bool IsAtEnd(Socket reader)
    {
        Span<byte> nothing = stackalloc byte[16];
        return reader.Receive(nothing) == 0;
    }

    private bool Drain(CaptureTap tap)
    {
        bool isAny = false;
        while (_left > 0 && _pcapng.Length < ChunkLength && tap.Ring.TryRead(out ReadOnlySpan<byte> bytes))
        {
            var record = CaptureRecord.Read(bytes);
            Span<byte> frame = _frame.AsSpan(0, bytes.Length - CaptureRecord.Length);
            bytes[CaptureRecord.Length..].CopyTo(frame);
            tap.Ring.Release();
            int port = record.Point == CapturePoints.Received ? record.IngressPort : record.EgressPort;
            int number = InterfaceOf(port);
            _counts[number]++;
            _pcapng.Packet(number, (ulong)(record.Time.Nanoseconds + _wallOffset), record, frame, _comments.Of(record, frame));
            _left--;
            isAny = true;
        }

        return isAny;
    }

    /// <summary>A port becomes an interface when its first frame is captured; another port of the same number becomes another.</summary>
    private int InterfaceOf(int port)
    {
        string name = _comments.PortOf(port);
        if (!_interfaces.TryGetValue((port, name), out int number))
        {
            _interfaces[(port, name)] = number = _interfaces.Count;
            _counts.Add(0);
            _pcapng.Interface(name, $"port {name} of {_node.Local.Cluster}/{_node.Local.Name}", _snapLength);
        }

        return number;
    }

    /// <summary>What is in the rings still, and the figures at the end: what was lost counts for the first interface, since nobody has looked at it.</summary>
    private void Finish(Socket reader)
    {
        while (Taps.Aggregate(false, (isAny, tap) => isAny | Drain(tap)))
        {
            Send(reader);
        }

        ulong lost = Taps.Aggregate(0ul, (sum, tap) => sum + tap.LostCount);
        if (_counts.Count == 0 && lost > 0)
        {
            _ = InterfaceOf(0);
        }

        for (int i = 0; i < _counts.Count; i++)
        {
            _pcapng.Statistics(i, (ulong)(MonotonicClock.Nanoseconds + _wallOffset), _counts[i] + (i == 0 ? lost : 0), i == 0 ? lost : 0);
        }

        Send(reader);
        reader.Shutdown(SocketShutdown.Both);
    }

    private void Send(Socket reader)
    {
        for (int sent = 0; sent < _pcapng.Length;)
        {
            sent += reader.Send(_pcapng.Written.Span[sent..]);
        }

        _pcapng.Clear();
    }
}
