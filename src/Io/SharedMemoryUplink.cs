using System.Diagnostics;
using System.Net.Sockets;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The shorter way between forwarders of one machine: they meet in a directory, where each has a socket with its name, and exchange
/// frames through memory instead of by their uplinks and the bridge. Of two the one with the smaller name connects. When a peer ends, frames
/// for it take the uplink again.
/// </summary>
public sealed class SharedMemoryUplink : IDisposable
{
    /// <summary>How long frames that were lent are waited for. Who was killed never gives them back.</summary>
    private static readonly TimeSpan s_parting = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_acceptPause = TimeSpan.FromMilliseconds(100);

    private readonly Settings _settings;
    private readonly WorkerGroup _workers;
    private readonly Func<IEnumerable<string>> _peers;
    private readonly Action<string> _log;
    private readonly Socket _listener;
    private readonly Thread _thread;
    private readonly Timer _timer;

    // Guards what follows: the listening thread, the timer and the watchers of the links meet here.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (MemoryLink Link, Socket Socket)> _links = [];
    private readonly ManualResetEventSlim _hasNone = new(initialState: true);
    private bool _isStopping;

    /// <param name="peers">Names of the nodes that are known now; asked once a second.</param>
    /// <exception cref="DeviceException">The directory or the socket could not be made.</exception>
    public SharedMemoryUplink(Settings settings, WorkerGroup workers, Func<IEnumerable<string>> peers, Action<string> log)
    {
        _settings = settings;
        _workers = workers;
        _peers = peers;
        _log = log;
        _listener = Listen(PathOf(settings.Name));
        _thread = new Thread(Accept) { Name = "shared-memory uplink", IsBackground = true };
        _thread.Start();
        _timer = new Timer(_ => ConnectToPeers());
        _timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Who meets where.</summary>
    /// <param name="Directory">The same for all forwarders that are to meet; only root may enter.</param>
    /// <param name="Name">Cluster and name of the node, west/worker.</param>
    /// <param name="Mac">Of the node on its uplink.</param>
    /// <param name="Port">Id of the uplink.</param>
    public sealed record Settings(string Directory, string Name, MacAddress Mac, int Port);

    /// <summary>The peers that are linked now, with the frames sent to them and received from them.</summary>
    public IReadOnlyList<(string Peer, ulong SentCount, ulong ReceivedCount)> Links
    {
        get
        {
            lock (_gate)
            {
                return [.. _links.Values.Select(l => (l.Link.Peer, l.Link.SentCount, l.Link.ReceivedCount)).OrderBy(l => l.Peer, StringComparer.Ordinal)];
            }
        }
    }

    /// <summary>Ends all links so that no frame on them is lost: each side stops sending, completes what it has, and gives it back.</summary>
    public void Part()
    {
        lock (_gate)
        {
            _isStopping = true;
            foreach ((MemoryLink link, Socket socket) in _links.Values)
            {
                StopSending(link);
                socket.Shutdown(SocketShutdown.Send); // The peer sees our end, parts in the same way and closes.
            }
        }

        _hasNone.Wait(2 * s_parting);
        Dispose();
    }

    public void Dispose()
    {
        (MemoryLink Link, Socket Socket)[] links;
        lock (_gate)
        {
            _isStopping = true;
            links = [.. _links.Values];
        }

        using var timerEnded = new ManualResetEvent(false);
        if (_timer.Dispose(timerEnded))
        {
            timerEnded.WaitOne();
        }

        _listener.Dispose();
        _thread.Join();
        foreach ((MemoryLink link, Socket socket) in links)
        {
            End(link, socket);
        }

        File.Delete(PathOf(_settings.Name));
    }

    /// <summary>The worker whom peers exchange frames with.</summary>
    private Worker First => _workers.First;

    /// <summary>The others give it what is for a peer.</summary>
    private void TellOthers()
    {
        MacAddress[] peers = [.. _links.Values.Where(l => !l.Link.IsEnding).Select(l => l.Link.PeerMac)];
        foreach (Worker worker in _workers.Workers.Skip(1))
        {
            worker.Invoke(() => worker.Engine.SendByFirst(peers, _settings.Port));
        }
    }

    private string PathOf(string name) => Path.Combine(_settings.Directory, name.Replace('/', '.') + ".sock");

    private Socket Listen(string path)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && !Directory.Exists(_settings.Directory))
            {
                Directory.CreateDirectory(_settings.Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            File.Delete(path); // Of a process that was killed: the control socket has made sure that it is not running.
            socket.Bind(new UnixDomainSocketEndPoint(path));
            socket.Listen();
            return socket;
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or ArgumentException)
        {
            throw new DeviceException($"shared-memory uplink at {path}: {e.Message}");
        }
    }

    private void Accept()
    {
        while (true)
        {
            try
            {
                Link(_listener.Accept(), isConnector: false);
            }
            catch (Exception e) when (e is SocketException or OutOfMemoryException && !Volatile.Read(ref _isStopping))
            {
                // Out of file descriptors, most likely, which a thread needs too: the peer waits, and without a pause this took a whole core.
                _log($"shared-memory uplink: {e.Message}");
                Thread.Sleep(s_acceptPause);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return; // Disposed.
            }
        }
    }

    private void ConnectToPeers()
    {
        foreach (string peer in _peers())
        {
            bool isOurs = string.CompareOrdinal(_settings.Name, peer) < 0;
            string path = PathOf(peer);
            if (!isOurs || IsLinked(peer) || !File.Exists(path))
            {
                continue;
            }

            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(path));
            }
            catch (SocketException)
            {
                socket.Dispose(); // Left by one that was killed, or just starting.
                continue;
            }

            Link(socket, isConnector: true);
        }

        ComeAgain();
    }

    private void ComeAgain()
    {
        lock (_gate)
        {
            if (!_isStopping)
            {
                _timer.Change(s_interval, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private bool IsLinked(string peer)
    {
        lock (_gate)
        {
            return _isStopping || _links.ContainsKey(peer);
        }
    }

    private void Link(Socket socket, bool isConnector)
    {
        lock (_gate)
        {
            int number = Enumerable.Range(1, FrameBuffers.MaxLinkCount).Except(_links.Values.Select(l => l.Link.Number)).FirstOrDefault();
            if (_isStopping || number == 0 || LinkHandshake.Run(socket, First.Engine, _settings.Name, _settings.Mac, isConnector, number) is not { } made)
            {
                socket.Dispose();
                return;
            }

            (MemoryLink link, Native.FileDescriptor peerBuffers) = made;
            using (peerBuffers)
            {
                if (_links.TryGetValue(link.Peer, out (MemoryLink Link, Socket Socket) old))
                {
                    // The peer began anew, and this word of its end comes first.
                    _links.Remove(link.Peer);
                    First.Invoke(() => First.Engine.DetachLink(old.Link));
                    old.Socket.Dispose();
                }

                _links.Add(link.Peer, (link, socket));
                _hasNone.Reset();
                First.Invoke(() => First.Engine.AttachLink(link, peerBuffers, _settings.Port));
                TellOthers();
            }

            new Thread(() => Watch(link, socket)) { Name = $"link {link.Peer}", IsBackground = true }.Start();
            _log($"linked to {link.Peer} by shared memory");
        }
    }

    /// <summary>Nothing is said on the socket after the handshake: its end is the peer's.</summary>
    private void Watch(MemoryLink link, Socket socket)
    {
        try
        {
            _ = socket.Receive(new byte[1]);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end too.
        }

        AwaitReturn(link);
        End(link, socket);
    }

    /// <summary>What the peer still has of ours it may be working on.</summary>
    private void AwaitReturn(MemoryLink link)
    {
        try
        {
            lock (_gate)
            {
                StopSending(link);
            }

            long start = Stopwatch.GetTimestamp();
            int lentCount = 1;
            while (lentCount > 0 && Stopwatch.GetElapsedTime(start) < s_parting)
            {
                First.Invoke(() => lentCount = link.LentCount);
                Thread.Sleep(lentCount > 0 ? 1 : 0); // no event tells that a buffer has come back
            }
        }
        catch (ObjectDisposedException)
        {
            // The engine has closed it.
        }
    }

    private void StopSending(MemoryLink link)
    {
        First.Invoke(() => link.IsEnding = true);
        TellOthers();
    }

    private void End(MemoryLink link, Socket socket)
    {
        lock (_gate)
        {
            if (!_links.TryGetValue(link.Peer, out (MemoryLink Link, Socket Socket) current) || !ReferenceEquals(current.Link, link))
            {
                return;
            }

            _links.Remove(link.Peer);
            try
            {
                TellOthers();
                First.Invoke(() => First.Engine.DetachLink(link));
            }
            catch (ObjectDisposedException)
            {
                // The engine has closed it.
            }

            socket.Dispose();
            if (_links.Count == 0)
            {
                _hasNone.Set();
            }

            _log($"the link to {link.Peer} has ended; its frames take the uplink");
        }
    }
}
