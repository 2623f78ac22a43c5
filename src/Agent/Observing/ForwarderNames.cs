using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Store;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>
/// What only the forwarder can say: which ports it has, which frontends services really have, and the names of endpoints that are in its file
/// and not among the agent's pods. Followed while it runs; what was known stays while it is away.
/// </summary>
internal sealed class ForwarderNames(string socket, string cluster, TimeProvider time, Action changed)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Guards what follows: three watches write, the names are made elsewhere.</summary>
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (ServiceAddress Address, ServiceName Name)> _services = [];
    private readonly Dictionary<string, EndpointRow> _endpoints = [];
    private readonly Dictionary<string, PortRow> _ports = [];

    public Dictionary<ServiceAddress, ServiceName> Services
    {
        get
        {
            lock (_gate)
            {
                return _services.Values.GroupBy(s => s.Address).ToDictionary(g => g.Key, g => g.First().Name);
            }
        }
    }

    /// <summary>By address. Without identities and labels: those are the mesh's.</summary>
    public Dictionary<IpPrefix, EndpointName> Endpoints
    {
        get
        {
            lock (_gate)
            {
                Dictionary<IpPrefix, EndpointName> names = [];
                foreach (EndpointRow row in _endpoints.Values)
                {
                    (string ns, string pod) = Split(row.Name);
                    foreach (string text in row.Addresses)
                    {
                        if (IpAddress.TryParse(text, out IpAddress address))
                        {
                            names[IpPrefix.Host(address)] = new EndpointName { Cluster = cluster, Namespace = ns, Pod = pod };
                        }
                    }
                }

                return names;
            }
        }
    }

    /// <summary>By the number that flow records have.</summary>
    public Dictionary<uint, string> Interfaces
    {
        get
        {
            lock (_gate)
            {
                return _ports.Values.GroupBy(p => (uint)p.Id + 1).ToDictionary(g => g.Key, g => g.First().Name);
            }
        }
    }

    public async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(time, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2));
        while (true)
        {
            try
            {
                await using ControlClient client = await ControlClient.ConnectAsync(socket, s_patience, cancellation);
                using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                Task[] watches =
                [
                    FollowAsync(client, ControlKinds.Service, _services, r => (AddressOf(r.Frontend), NameOf(r.Name)), session.Token),
                    FollowAsync(client, ControlKinds.Endpoint, _endpoints, r => r, session.Token),
                    FollowAsync(client, ControlKinds.Port, _ports, r => r, session.Token),
                ];
                try
                {
                    await await Task.WhenAny(watches);
                }
                finally
                {
                    await session.CancelAsync();
                    await Task.WhenAll(watches).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                }
            }
            catch (Exception fault) when (fault is ControlConnectionException or ControlException)
            {
                // Who keeps the forwarder what it should be says so.
            }

            await backoff.WaitAsync(cancellation);
        }
    }

    private static (string Namespace, string Name) Split(string name) =>
        name.IndexOf('/', StringComparison.Ordinal) is > 0 and int slash ? (name[..slash], name[(slash + 1)..]) : ("", name);

    /// <summary>10.2.33.10:80/TCP, [fd00::1]:80/TCP.</summary>
    private static ServiceAddress AddressOf(string frontend)
    {
        int slash = frontend.LastIndexOf('/');
        int colon = frontend.LastIndexOf(':');
        IpProtocol protocol = frontend[(slash + 1)..] switch { "UDP" => IpProtocol.Udp, "SCTP" => IpProtocol.Sctp, _ => IpProtocol.Tcp };
        return new ServiceAddress(
            IpAddress.Parse(frontend[..colon].Trim('[', ']')), ushort.Parse(frontend.AsSpan((colon + 1)..slash), NumberStyles.None, CultureInfo.InvariantCulture), protocol);
    }

    /// <summary>default/webpod, also of a service with several ports, which is written default/webpod:http.</summary>
    private static ServiceName NameOf(string name)
    {
        (string ns, string rest) = Split(name);
        int colon = rest.IndexOf(':', StringComparison.Ordinal);
        return new ServiceName(ns, colon < 0 ? rest : rest[..colon]);
    }

    private async Task FollowAsync<TRow, TKept>(
        ControlClient client, ControlKind<TRow> kind, Dictionary<string, TKept> rows, Func<TRow, TKept> keep, CancellationToken cancellation)
        where TRow : class
    {
        HashSet<string>? seen = []; // Of the list at the beginning.
        await foreach (WatchEvent<TRow> happened in client.WatchAsync(kind, cancellation: cancellation))
        {
            lock (_gate)
            {
                switch (happened.Type)
                {
                    case WatchEventType.Added or WatchEventType.Changed:
                        rows[happened.Key!] = keep(happened.Object!);
                        seen?.Add(happened.Key!);
                        break;
                    case WatchEventType.Removed:
                        rows.Remove(happened.Key!);
                        break;
                    case WatchEventType.Synced:
                        foreach (string gone in rows.Keys.Where(k => seen?.Contains(k) == false).ToArray())
                        {
                            rows.Remove(gone); // Of a forwarder before.
                        }

                        seen = null;
                        break;
                    default:
                        break;
                }
            }

            changed();
        }

        throw new ControlConnectionException("the forwarder has closed the connection");
    }
}
