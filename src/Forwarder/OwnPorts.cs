using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// The ports that a node has for itself: host and uplink. Nobody applies them, so they are opened again by themselves when their device or its
/// namespace went and is back. Used with the configuration at rest.
/// </summary>
internal sealed class OwnPorts : IDisposable
{
    /// <summary>How often is looked whether one is down: a name in /run/netns is there before the namespace is, so that no event tells when it can be had.</summary>
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(500);

    private readonly (int Id, string Namespace, Func<TapPort[]> Open)[] _ports;
    private readonly NamespaceWatch _namespaces;
    private readonly Dictionary<int, string> _lastWords = [];
    private readonly ManualResetEvent _ended = new(false);
    private Thread? _thread;

    public OwnPorts(LocalNodeSpec local, NodePorts ports, NamespaceWatch namespaces)
    {
        _namespaces = namespaces;
        List<(int Id, string Namespace, Func<TapPort[]> Open)> wanted = [];
        if (local.Uplink is not null)
        {
            wanted.Add((StateWriter.UplinkPort, local.Uplink.Namespace, ports.OpenUplink));
        }

        if (local.Host is not null)
        {
            wanted.Add((StateWriter.HostPort, local.Host.Namespace, ports.OpenHost));
        }

        _ports = [.. wanted];
    }

    public IEnumerable<(int Id, string Namespace)> Namespaces => _ports.Select(p => (p.Id, p.Namespace));

    /// <exception cref="DeviceException">One could not be made; the other is gone again.</exception>
    public List<(int Id, TapPort[] Queues)> Open()
    {
        List<(int Id, TapPort[] Queues)> opened = [];
        try
        {
            foreach ((int id, string ns, Func<TapPort[]> open) in _ports)
            {
                _namespaces.Add(ns);
                opened.Add((id, open()));
            }

            return opened;
        }
        catch
        {
            opened.ForEach(o => Array.ForEach(o.Queues, q => q.Dispose()));
            throw;
        }
    }

    /// <summary>Calls back now and then, until disposed.</summary>
    public void Watch(Action look)
    {
        _thread = new Thread(() =>
        {
            while (!_ended.WaitOne(s_look))
            {
                look();
            }
        })
        { IsBackground = true, Name = "own ports" };
        _thread.Start();
    }

    /// <summary>Opens those that are down. What stands in the way is said once.</summary>
    /// <returns>Which are up again.</returns>
    public List<int> Revive(WorkerGroup workers, Snapshot snapshot)
    {
        List<int> revived = [];
        foreach ((int id, string ns, Func<TapPort[]> open) in _ports)
        {
            if (workers.IsAttached(id))
            {
                continue;
            }

            try
            {
                // Of several workers some may not have noticed yet: theirs is in the way of the new one.
                workers.Reconfigure(snapshot, [id], []);
                TapPort[] queues = open();
                workers.Reconfigure(snapshot, [], [(id, queues)]);
                _namespaces.Add(ns);
                _lastWords.Remove(id);
                revived.Add(id);
                Log.Write($"{queues[0].Name} is up again: {queues[0].Interface} in {ns}");
            }
            catch (DeviceException e)
            {
                if (_lastWords.GetValueOrDefault(id) != e.Message)
                {
                    _lastWords[id] = e.Message;
                    Log.Write($"{(id == StateWriter.HostPort ? "host" : "uplink")} is down and is tried again and again: {e.Message}");
                }
            }
        }

        return revived;
    }

    public void Dispose()
    {
        _ended.Set();
        _thread?.Join();
    }
}
