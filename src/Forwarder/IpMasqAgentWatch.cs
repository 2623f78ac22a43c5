using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// Tells when the file of ip-masq-agent says something else. Reads it once a second, by its path: that way a ConfigMap's swapped symlinks, a
/// directory that comes later and a file system without inotify make no difference, and the file is small.
/// </summary>
internal sealed class IpMasqAgentWatch : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    private readonly string _path;
    private readonly LocalNodeSpec _local;
    private readonly Action<IReadOnlyList<IpPrefix>> _onChange;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private IReadOnlyList<IpPrefix> _current;
    private string _lastMistake = "";

    /// <param name="current">What the file said when it was read last.</param>
    /// <param name="onChange">Gets the new list; one call at a time.</param>
    public IpMasqAgentWatch(string path, LocalNodeSpec local, IReadOnlyList<IpPrefix> current, Action<IReadOnlyList<IpPrefix>> onChange)
    {
        _path = path;
        _local = local;
        _current = current;
        _onChange = onChange;
        _timer = new Timer(_ => Look(), null, s_interval, s_interval);
    }

    public void Dispose()
    {
        using var done = new ManualResetEvent(false);
        if (_timer.Dispose(done))
        {
            done.WaitOne();
        }
    }

    private void Look()
    {
        if (!_gate.TryEnter())
        {
            return; // The last look is not over: a large configuration is being made.
        }

        try
        {
            IReadOnlyList<IpPrefix> next = IpMasqAgentFile.Read(_path, _local);
            _lastMistake = "";
            if (!next.SequenceEqual(_current))
            {
                _onChange(next);
                _current = next;
                Log.Write($"ip-masq-agent: {next.Count} destinations are exempt from masquerading by {_path}");
            }
        }
        catch (Exception e) when (e is ConfigurationException or Control.ControlException)
        {
            if (e.Message != _lastMistake)
            {
                Log.Write($"ip-masq-agent: {e.Message}; the exemptions stay as they are");
            }

            _lastMistake = e.Message;
        }
        finally
        {
            _gate.Exit();
        }
    }
}
