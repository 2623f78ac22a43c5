using System.Buffers.Binary;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Where flow events can be had: a Unix socket that gives whoever connects the workers' rings, to be read. The workers tell nothing while
/// nobody is connected. A listener is gone when its socket is: nothing else is expected of it (docs/decisions/0032).
/// </summary>
public sealed class FlowEventServer : IDisposable
{
    /// <summary>Connections at one time; more are refused.</summary>
    public const int MaxListenerCount = 16;

    /// <summary>Those who have not said yet what they want included.</summary>
    private const int MaxServedCount = 2 * MaxListenerCount;

    internal const ulong Magic = 0x636D_6573_6865_7674; // cmeshevt
    internal const int QuestionLength = 16;
    internal const int AnswerLength = 24;
    internal const int FilesAtOnce = 8;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_acceptPause = TimeSpan.FromMilliseconds(100);

    private readonly WorkerGroup _workers;
    private readonly string _path;
    private readonly Action<string> _log;
    private readonly Predicate<Socket> _refuses;
    private readonly Socket _listener;
    private readonly Thread _thread;

    private int _servedCount;

    // Guards what follows: the accepting thread and the listeners' own meet here.
    private readonly Lock _gate = new();
    private readonly Dictionary<Socket, FlowDetail> _listeners = [];
    private FlowTap[] _taps = [];
    private ulong _writtenBefore;
    private ulong _lostBefore;
    private bool _isStopping;

    /// <param name="mode">Of the socket's file.</param>
    /// <param name="refuses">Whether a client may not listen; it is disconnected without a word, as the protocol has none for it.</param>
    /// <exception cref="DeviceException">The socket could not be made.</exception>
    public FlowEventServer(string path, WorkerGroup workers, Action<string> log, UnixFileMode mode, Predicate<Socket> refuses)
    {
        _refuses = refuses;
        _path = path;
        _workers = workers;
        _log = log;
        _listener = Listen(path, mode);
        _thread = new Thread(Accept) { Name = "flow events", IsBackground = true };
        _thread.Start();
    }

    /// <summary>The socket.</summary>
    public string Path => _path;

    /// <summary>Who listens, how many records were written since the start, and how many did not even reach the ring.</summary>
    public (int ListenerCount, ulong WrittenCount, ulong LostCount) Figures
    {
        get
        {
            lock (_gate)
            {
                return (_listeners.Count, _writtenBefore + Sum(t => t.Ring.WrittenCount), _lostBefore + Sum(t => t.Ring.LostCount));
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            foreach (Socket socket in _listeners.Keys)
            {
                socket.Dispose();
            }

            _listeners.Clear();
            Retune();
        }

        _listener.Dispose();
        _thread.Join();
        File.Delete(_path);
    }

    private static Socket Listen(string path, UnixFileMode mode)
    {
        try
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            File.Delete(path); // Of a process that was killed: the control socket has made sure that it is not running.
            socket.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, mode);
            }

            socket.Listen();
            return socket;
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or ArgumentException)
        {
            throw new DeviceException($"flow events at {path}: {e.Message}");
        }
    }

    private static FlowDetail? Question(Socket socket)
    {
        byte[] question = new byte[QuestionLength];
        int length = 0;
        while (length < question.Length)
        {
            int more = socket.Receive(question.AsSpan(length));
            if (more == 0)
            {
                return null;
            }

            length += more;
        }

        uint detail = BinaryPrimitives.ReadUInt32LittleEndian(question.AsSpan(12));
        return BinaryPrimitives.ReadUInt64LittleEndian(question) == Magic && detail <= (uint)FlowDetail.EveryPacket ? (FlowDetail)detail : null;
    }

    private void Accept()
    {
        while (true)
        {
            Socket? socket = null;
            try
            {
                socket = _listener.Accept();
                Socket accepted = socket;
                if (Volatile.Read(ref _servedCount) >= MaxServedCount)
                {
                    socket.Dispose(); // Each takes a thread and some files, also one that never says what it wants.
                    continue;
                }

                Interlocked.Increment(ref _servedCount);
                new Thread(() => Serve(accepted)) { Name = "flow listener", IsBackground = true }.Start();
                socket = null;
            }
            catch (Exception e) when (e is SocketException or OutOfMemoryException && !Volatile.Read(ref _isStopping))
            {
                // Out of file descriptors, most likely, which a thread needs too; it is called out of memory then. Whoever waits to be accepted still
                // waits, so that without a pause this took a whole core.
                if (socket is not null)
                {
                    socket.Dispose();
                    Interlocked.Decrement(ref _servedCount);
                }

                _log($"flow events: {e.Message}");
                Thread.Sleep(s_acceptPause);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return; // Disposed.
            }
        }
    }

    private void Serve(Socket socket)
    {
        try
        {
            socket.ReceiveTimeout = (int)s_limit.TotalMilliseconds;
            socket.SendTimeout = (int)s_limit.TotalMilliseconds;
            if (!_refuses(socket) && Question(socket) is { } detail && Add(socket, detail))
            {
                // Nothing more is said: what comes is the end.
                socket.ReceiveTimeout = 0;
                _ = socket.Receive(new byte[1]);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end too.
        }
        catch (DeviceException e)
        {
            _log($"flow events: {e.Message}");
        }

        Remove(socket);
        Interlocked.Decrement(ref _servedCount);
    }

    private bool Add(Socket socket, FlowDetail detail)
    {
        lock (_gate)
        {
            if (_isStopping || _listeners.Count == MaxListenerCount)
            {
                Answer(socket, 0, []);
                return false;
            }

            _listeners.Add(socket, detail);
            Retune();
            FileDescriptor[] files = [];
            try
            {
                files = [.. _taps.Select(t => SharedFile.OpenReadable(t.Ring.File))];
                foreach (FileDescriptor[] some in files.Chunk(FilesAtOnce))
                {
                    Answer(socket, files.Length, some);
                }
            }
            finally
            {
                Array.ForEach(files, f => f.Dispose());
            }

            return true;
        }
    }

    private void Remove(Socket socket)
    {
        lock (_gate)
        {
            if (_listeners.Remove(socket))
            {
                try
                {
                    Retune();
                }
                catch (Exception e) when (e is ObjectDisposedException or DeviceException)
                {
                    _log($"flow events: {e.Message}"); // The workers have ended.
                }
            }
        }

        socket.Dispose();
    }

    private static void Answer(Socket socket, int count, FileDescriptor[] files)
    {
        byte[] answer = new byte[AnswerLength];
        BinaryPrimitives.WriteUInt64LittleEndian(answer, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(8), FlowRecord.CurrentVersion);
        BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(12), count);
        BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(16), files.Length);
        DescriptorSocket.Send(socket, answer, files);
    }

    /// <summary>Has the workers tell what the listeners want together. Rings stay as long as anybody listens.</summary>
    private void Retune()
    {
        if (_listeners.Count == 0)
        {
            FlowTap[] taps = _taps;
            _taps = [];
            _writtenBefore += Sum(taps, t => t.Ring.WrittenCount);
            _lostBefore += Sum(taps, t => t.Ring.LostCount);
            try
            {
                foreach (Worker worker in taps.Length > 0 ? _workers.Workers : [])
                {
                    worker.Listen(null, FlowDetail.Changes);
                }
            }
            catch (ObjectDisposedException)
            {
                // The workers have ended, with a takeover for example, and tell nothing any more.
            }

            Array.ForEach(taps, t => t.Ring.Dispose());
            return;
        }

        if (_taps.Length == 0)
        {
            _taps = [.. _workers.Workers.Select((_, i) => new FlowTap(new FlowEvents(i), new FlowRing(i)))];
        }

        FlowDetail detail = _listeners.Values.Max();
        foreach ((Worker worker, FlowTap tap) in _workers.Workers.Zip(_taps))
        {
            worker.Listen(tap, detail);
        }
    }

    private ulong Sum(Func<FlowTap, ulong> figure) => Sum(_taps, figure);

    private static ulong Sum(FlowTap[] taps, Func<FlowTap, ulong> figure) => taps.Aggregate(0ul, (sum, tap) => sum + figure(tap));
}
