using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// A forwarder's side of its <see cref="TapKeeper"/>: gives it every TAP that is made, and takes those over that a forwarder before this one had,
/// where they are set up as they are wanted now. Any thread.
/// </summary>
public sealed class KeptTaps : IDisposable
{
    private static readonly TimeSpan s_start = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new(); // guards what follows, and the socket's turns
    private readonly Socket _socket;
    private readonly Action<string> _log;
    private readonly Dictionary<string, FileDescriptor> _found = [];
    private bool _isSilent;
    private bool _isForeign;

    private KeptTaps(Socket socket, Action<string> log)
    {
        _socket = socket;
        _log = log;
    }

    /// <summary>Asks the keeper that is there for what it has, or starts one.</summary>
    /// <param name="start">How to start the keeper: it says a line when it is ready.</param>
    /// <param name="log">Gets one sentence when the keeper is lost.</param>
    /// <exception cref="DeviceException">There is no keeper and none can be started.</exception>
    public static KeptTaps Join(string socketPath, ProcessStartInfo start, Action<string> log)
    {
        Socket? socket = TryConnect(socketPath);
        if (socket is null)
        {
            Start(start);
            socket = TryConnect(socketPath) ?? throw new DeviceException($"keeper's socket {socketPath}: the keeper is ready and does not answer");
        }

        var taps = new KeptTaps(socket, log);
        taps.Ask(KeeperSocket.Word.List);
        return taps;
    }

    /// <summary>Closes what was found and nobody took: pods that are gone.</summary>
    public void DropRest()
    {
        lock (_gate)
        {
            foreach (string name in _found.Keys.ToArray())
            {
                DropFound(name);
            }
        }
    }

    /// <summary>The node ends for good: the keeper closes all TAPs and is gone when this returns.</summary>
    public void Leave() => Ask(KeeperSocket.Word.Leave);

    /// <summary>Another forwarder has the TAPs, now or still: what we close stays with the keeper.</summary>
    public void Release() => SetForeign(true);

    /// <summary>The other forwarder has let go of the TAPs, and all that are wanted have been taken.</summary>
    public void Own()
    {
        SetForeign(false);
        DropRest();
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Another forwarder has the TAPs, now or still.</summary>
    internal bool IsForeign
    {
        get
        {
            lock (_gate)
            {
                return _isForeign;
            }
        }
    }

    /// <summary>
    /// The queues of a TAP that was made with exactly these settings in this namespace, as many as are wanted or as there are, by the keeper's name for each. None,
    /// and no such interface is kept any more, when there is no such TAP. What goes beyond is dropped: at once, or when the TAPs are ours.
    /// </summary>
    internal (string Name, FileDescriptor File)[] TakeQueues(TapSettings settings, ulong namespaceInode, int count)
    {
        lock (_gate)
        {
            string print = PrintOf(settings);
            string[] ofDevice = [.. _found.Keys.Where(n => n.StartsWith(DeviceOf(settings, namespaceInode), StringComparison.Ordinal))];
            string[] names = [.. ofDevice.Where(n => n.EndsWith(print, StringComparison.Ordinal)).OrderBy(n => n.Length).ThenBy(n => n, StringComparer.Ordinal).Take(count)];
            (string Name, FileDescriptor File)[] taken = [.. names.Select(n => (n, _found[n]))];
            Array.ForEach(names, n => _found.Remove(n));
            foreach (string other in _isForeign ? [] : ofDevice.Except(names))
            {
                DropFound(other);
            }

            return taken;
        }
    }

    /// <summary>The keeper has the file under this name from now on.</summary>
    internal void Keep(string name, FileDescriptor file) => Ask(KeeperSocket.Word.Keep, name, file);

    internal void Drop(string name) => Ask(KeeperSocket.Word.Drop, name);

    /// <summary>How the keeper calls a queue. Two TAPs that have the same name but for the numbers can stand for each other.</summary>
    /// <param name="count">Queues of the TAP when this one was made.</param>
    internal static string NameOf(TapSettings settings, ulong namespaceInode, int queue, int count) =>
        DeviceOf(settings, namespaceInode) + string.Create(CultureInfo.InvariantCulture, $"{queue} of {count} {PrintOf(settings)}");

    private static string DeviceOf(TapSettings settings, ulong namespaceInode) =>
        string.Create(CultureInfo.InvariantCulture, $"{namespaceInode} {settings.Interface} ");

    private static string PrintOf(TapSettings s)
    {
        string text = $"{s.Name}|{s.Namespace}|{s.Mtu}|{s.Mac}|{s.Bridge}|{string.Join(' ', s.Addresses)}|{string.Join(' ', s.Routes)}|{(int)s.Offloads}|{s.QueueLength}|{s.WithLoopback}";
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];
    }

    private static Socket? TryConnect(string socketPath)
    {
        Socket socket = KeeperSocket.New();
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private static void Start(ProcessStartInfo start)
    {
        // Streams of its own: whoever waits for the end of ours must not wait for the keeper's.
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using Process keeper = Process.Start(start) ?? throw new DeviceException($"the keeper could not be started: {start.FileName}");
        Task<string?> line = keeper.StandardOutput.ReadLineAsync();
        if (!line.Wait(s_start) || string.IsNullOrEmpty(line.Result))
        {
            throw new DeviceException($"the keeper could not be started: {(keeper.HasExited ? keeper.StandardError.ReadToEnd().Trim() : "it says nothing")}");
        }
    }

    private void SetForeign(bool isForeign)
    {
        lock (_gate)
        {
            _isForeign = isForeign;
        }
    }

    private void DropFound(string name)
    {
        if (_found.Remove(name, out FileDescriptor? file))
        {
            file.Dispose();
            Ask(KeeperSocket.Word.Drop, name);
        }
    }

    private void Ask(KeeperSocket.Word word, string name = "", FileDescriptor? file = null)
    {
        lock (_gate)
        {
            if (_isSilent || _isForeign)
            {
                return;
            }

            bool isAnswered = false;
            try
            {
                KeeperSocket.Send(_socket, word, name, file);
                while (KeeperSocket.TryReceive(_socket, out KeeperSocket.Word answer, out string kept, out FileDescriptor? given) && !isAnswered)
                {
                    isAnswered = answer == KeeperSocket.Word.Done;
                    if (given is not null)
                    {
                        _found[kept] = given;
                    }

                    if (isAnswered)
                    {
                        break;
                    }
                }
            }
            catch (SocketException)
            {
                // As no answer.
            }

            _isSilent = !isAnswered;
            if (!isAnswered && word != KeeperSocket.Word.Leave)
            {
                _log("the keeper of the TAPs is gone; when this process is killed, so are the pods' links");
            }
        }
    }
}
