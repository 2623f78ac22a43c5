using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Tells the service manager how a process is: the protocol of sd_notify(3), datagrams of lines NAME=VALUE to the Unix socket that
/// NOTIFY_SOCKET names. Without one, everything here does nothing. Any thread.
/// </summary>
public sealed class ServiceNotifier : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _address;
    private readonly Action<string> _log;
    private bool _isLost;

    /// <param name="socketPath">A path, or a name behind @ for one that is in no directory; null or empty for none.</param>
    /// <param name="watchdogInterval">How often the manager wants to hear that all is well; null when it does not.</param>
    /// <param name="log">Gets one sentence when the manager cannot be reached.</param>
    public ServiceNotifier(string? socketPath, TimeSpan? watchdogInterval, Action<string> log)
    {
        _log = log;
        if (string.IsNullOrEmpty(socketPath))
        {
            return;
        }

        try
        {
            _address = new UnixDomainSocketEndPoint(socketPath[0] == '@' ? '\0' + socketPath[1..] : socketPath);
            _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { SendTimeout = 1000 };
            WatchdogInterval = watchdogInterval;
        }
        catch (ArgumentException)
        {
            log($"NOTIFY_SOCKET={socketPath}: a socket's path must have 1 to 107 bytes; the service manager is told nothing");
        }
    }

    /// <summary>Null when nobody waits for <see cref="Beat"/>.</summary>
    public TimeSpan? WatchdogInterval { get; }

    /// <summary>As the environment says: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of sd_notify(3) and sd_watchdog_enabled(3).</summary>
    public static ServiceNotifier FromEnvironment(Action<string> log)
    {
        bool isOurs = Environment.GetEnvironmentVariable("WATCHDOG_PID") is not { Length: > 0 } process
            || process == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        bool isAsked = ulong.TryParse(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out ulong microseconds)
            && microseconds is > 0 and < long.MaxValue / 10;
        return new ServiceNotifier(
            Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), isOurs && isAsked ? TimeSpan.FromMicroseconds(microseconds) : null, log);
    }

    /// <summary>It does what it was started for. The manager is told which process is the main one: after a takeover it is another.</summary>
    public void Ready(string status) => Send($"READY=1\nMAINPID={Environment.ProcessId}\nSTATUS={OneLine(status)}");

    /// <summary>A sentence for who asks the manager.</summary>
    public void Status(string status) => Send($"STATUS={OneLine(status)}");

    /// <summary>All is well; said more often than <see cref="WatchdogInterval"/>, or the manager restarts the service.</summary>
    public void Beat() => Send("WATCHDOG=1");

    public void Stopping(string status) => Send($"STOPPING=1\nSTATUS={OneLine(status)}");

    public void Dispose() => _socket?.Dispose();

    private static string OneLine(string status) => status.ReplaceLineEndings(" ");

    private void Send(string lines)
    {
        if (_socket is null)
        {
            return;
        }

        try
        {
            _socket.SendTo(Encoding.UTF8.GetBytes(lines), _address!);
            _isLost = false;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            if (!_isLost)
            {
                _isLost = true;
                _log($"the service manager cannot be told '{lines.Split('\n')[0]}': {e.Message}");
            }
        }
    }
}
