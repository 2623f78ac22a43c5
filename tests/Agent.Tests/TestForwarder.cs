using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>A forwarder's control socket that keeps what it is told and forwards nothing.</summary>
internal sealed class TestForwarder : IAsyncDisposable
{
    private readonly ControlServer _server;

    /// <summary>Guards what was told.</summary>
    private readonly Lock _telling = new();
    private readonly SortedDictionary<string, RemoteNodeDocument> _nodes = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, ServiceDocument> _services = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, IpcacheDocument> _ipcache = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, IdentityDocument> _identities = [];
    private readonly SortedDictionary<string, PolicyDocument> _policies = new(StringComparer.Ordinal);
    private MasqueradeSection? _masquerade;
    private long _version;

    public TestForwarder(string socketPath, NodeDocument? before = null)
    {
        _server = new ControlServer(socketPath);
        foreach (RemoteNodeDocument node in before?.Nodes ?? [])
        {
            _nodes[$"{node.Cluster}/{node.Name}"] = node;
        }

        foreach (ServiceDocument service in before?.Services ?? [])
        {
            _services[service.Name] = service;
        }

        _server.Map("config", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.NodeDocument, (_, _) => new(Document));
        _server.Map("apply", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult, (r, _) => new(Apply(r)));
        _server.Map("delete", ControlRole.Admin, ControlJson.Default.DeleteRequest, ControlJson.Default.ChangeResult, (r, _) => new(Delete(r)));
        _server.MapKind(ControlKinds.Masquerade, (_, _, _) => new(new ListResult<MasqueradeRow>(0, [], null)));
        _server.MapKind(ControlKinds.Ipcache, (_, _, _) => new(new ListResult<IpcacheRow>(0, IpcacheRows, null)));
        _server.MapKind(ControlKinds.Identity, (_, _, _) => new(new ListResult<IdentityRow>(0, IdentityRows, null)));
        _server.Start();
    }

    /// <summary>A service that is refused, as a contradiction is.</summary>
    public string? RefusedService { get; set; }

    public List<ApplyMode> Modes { get; } = [];

    /// <summary>Every node and backend that was taken away, in order: "node east/east-worker", "default/webpod 10.1.1.2:80".</summary>
    public List<string> Removed { get; } = [];

    public NodeDocument Document
    {
        get
        {
            lock (_telling)
            {
                return new NodeDocument { Nodes = [.. _nodes.Values], Services = [.. _services.Values], Masquerade = _masquerade };
            }
        }
    }

    /// <summary>"east/east-worker 172.18.0.2 10.1.1.0/24", by name.</summary>
    public string Nodes => string.Join("; ", Document.Nodes!.Select(n => $"{n.Cluster}/{n.Name} {string.Join(',', n.Addresses)} {string.Join(',', n.PodCidrs)}"));

    /// <summary>"10.1.1.1/32 131400 172.18.0.2 east kvstore", by prefix.</summary>
    public string Ipcache => string.Join("; ", IpcacheRows.Select(r => $"{r.Prefix} {r.Identity} {r.TunnelEndpoint} {r.Cluster} {r.Source}"));

    /// <summary>The labels of an identity; empty when it is not known.</summary>
    public string LabelsOf(long identity) => string.Join(' ', IdentityRows.FirstOrDefault(r => r.Id == identity)?.Labels ?? []);

    /// <summary>Objects of the ipcache that were told in all.</summary>
    public int IpcacheToldCount { get; private set; }

    private IReadOnlyList<IpcacheRow> IpcacheRows
    {
        get
        {
            lock (_telling)
            {
                return [.. _ipcache.Values.Select(d => new IpcacheRow(d.Prefix, d.Identity, d.EncryptKey, d.TunnelEndpoint ?? "0.0.0.0", d.Flags ?? [], d.Cluster!, d.Source!, []))];
            }
        }
    }

    private IReadOnlyList<IdentityRow> IdentityRows
    {
        get
        {
            lock (_telling)
            {
                return [.. _identities.Values.Select(d => new IdentityRow(d.Id, "cluster", d.Labels))];
            }
        }
    }

    /// <summary>Names of the policies.</summary>
    public string Policies
    {
        get
        {
            lock (_telling)
            {
                return string.Join(' ', _policies.Keys);
            }
        }
    }

    /// <summary>The backends of a service: "10.0.1.14:80 east/10.1.1.2:80".</summary>
    public string Backends(string service, string own) => string.Join(' ',
        (Document.Services!.FirstOrDefault(s => s.Name == service)?.Backends ?? []).Select(b => $"{(b.Cluster == own ? "" : b.Cluster + "/")}{b.Address}:{b.Port}"));

    public string? Annotation(string service, string key) => Document.Services!.FirstOrDefault(s => s.Name == service)?.Annotations?.GetValueOrDefault(key);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private HashSet<string> All() =>
        [.. _nodes.Keys.Select(n => $"node {n}"), .. _services.Values.SelectMany(s => (s.Backends ?? []).Select(b => $"{s.Name} {b.Address}:{b.Port}"))];

    private ChangeResult Apply(ApplyRequest request)
    {
        lock (_telling)
        {
            if (request.Config.Services?.Select((s, i) => (s, i)).FirstOrDefault(s => s.s.Name == RefusedService) is { s: not null } refused)
            {
                throw new ControlException(ErrorCode.InvalidConfiguration, $"config.services[{refused.i}].frontends[0].port: refused by the test");
            }

            foreach (IpcacheDocument entry in request.Config.Ipcache ?? [])
            {
                _ipcache[entry.Prefix] = entry;
                IpcacheToldCount++;
            }

            foreach (IdentityDocument identity in request.Config.Identities ?? [])
            {
                _identities[identity.Id] = identity;
            }

            if (request is { Mode: ApplyMode.Replace, Config.Policies: not null })
            {
                _policies.Clear();
            }

            foreach (PolicyDocument policy in request.Config.Policies ?? [])
            {
                _policies[policy.Name] = policy;
            }

            if (request.Config is { Nodes: null, Services: null, Masquerade: null, Policies: null })
            {
                return new ChangeResult(++_version, 1);
            }

            Modes.Add(request.Mode);
            HashSet<string> before = All();
            if (request is { Mode: ApplyMode.Replace, Config.Nodes: not null })
            {
                _nodes.Clear();
            }

            if (request is { Mode: ApplyMode.Replace, Config.Services: not null })
            {
                _services.Clear();
            }

            foreach (RemoteNodeDocument node in request.Config.Nodes ?? [])
            {
                _nodes[$"{node.Cluster}/{node.Name}"] = node;
            }

            foreach (ServiceDocument service in request.Config.Services ?? [])
            {
                _services[service.Name] = service;
            }

            _masquerade = request.Config.Masquerade ?? _masquerade;
            Removed.AddRange(before.Except(All()));
            return new ChangeResult(++_version, 1);
        }
    }

    private ChangeResult Delete(DeleteRequest request)
    {
        lock (_telling)
        {
            HashSet<string> before = All();
            foreach (string name in request.Names)
            {
                bool wasThere = request.Kind switch
                {
                    "node" => _nodes.Remove(name),
                    "ipcache" => _ipcache.Remove(name),
                    "policy" => _policies.Remove(name),
                    "identity" => _identities.Remove(int.Parse(name)),
                    _ => _services.Remove(name),
                };
                Assert.True(wasThere, $"{request.Kind} {name} is not there");
            }

            Removed.AddRange(before.Except(All()));

            return new ChangeResult(++_version, request.Names.Count);
        }
    }
}
