using System.Text.Json;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Forwarder.Watching;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>One running node: puts workers, the configuration's writer, TAPs and control socket together; a change that fails leaves all as it was.</summary>
internal sealed class NodeRuntime : IAsyncDisposable
{
    private readonly NodeFile _file;
    private readonly NodeKeeping _keeping;
    private readonly StateWriter _writer;
    private readonly WorkerGroup _workers;
    private readonly KnownBackends? _backends;
    private readonly ControlServer _server;
    private readonly NodePorts _ports;
    private readonly NamespaceWatch _namespaces;
    private readonly OwnPorts _ownPorts;
    private readonly QuietCollector _collector;
    private readonly Handover _handover;
    private readonly Lock _gate = new();
    private HostRoutes? _hostRoutes;
    private SharedMemoryUplink? _sharedMemory;
    private IpMasqAgentWatch? _ipMasqAgent;
    private bool _isStopping;

    private NodeRuntime(NodeFile file, ForwarderOptions options, NodeKeeping keeping)
    {
        _file = file;
        _keeping = keeping;
        _ports = new NodePorts(file.Local, options.WorkerCount, keeping.Taps, options.Opener);
        ulong seed = keeping.Seed;
        _writer = new StateWriter(file.Local, seed, keeping.Numbers);
        int count = options.WorkerCount;
        FlowHomes? homes = count > 1 ? new FlowHomes(count, file.Local.PodCidrs, _writer.Current.Masquerade.FirstPort, ~seed) : null;
        _backends = count > 1 ? new KnownBackends(seed) : null;
        LiveTables[] live =
        [
            .. Enumerable.Range(0, count).Select(i => new LiveTables(
                NodeKeeping.Share(file.Local.ConntrackEntries, count), NodeKeeping.Share(file.Local.SnatEntries, count), seed + (ulong)i,
                fragments: file.Local.Flows.Fragments, affinityCapacity: NodeKeeping.Share(file.Local.AffinityEntries, count), homes: homes, worker: i,
                memory: keeping.MemoryOf(i), sources: file.Local.Flows.SourceLimits, newFlowsUnderLoad: file.Local.Flows.NewFlowsUnderLoad)),
        ];
        _workers = new WorkerGroup(live, homes, _backends, _writer.Current, options.Engine, options.SpinMicroseconds, NodeWatch.WorkerDied);
        _handover = new Handover(keeping, _workers);
        _server = new ControlServer(file.SocketPath) { Access = options.ToAccess(), Fault = (where, fault) => Log.Write($"control socket: {where}: {fault.Message}") };
        _namespaces = new NamespaceWatch(ClosePortsIn);
        _ownPorts = new OwnPorts(file.Local, _ports, _namespaces);
        _collector = new QuietCollector(() => _workers.Workers.Aggregate(0ul, (sum, worker) => sum + worker.Live.Counters.ReceivedPackets));
        ControlMethods.Map(_server, this);
    }

    /// <summary>When the forwarder came up, by the system's tick count.</summary>
    public long StartedAt { get; } = Environment.TickCount64;

    public LocalNodeSpec Local => _file.Local;

    public WorkerGroup Workers => _workers;

    /// <summary>On what the workers run, and how many they are if not one.</summary>
    public string EngineText => _workers.Workers.Count == 1 ? _workers.First.EngineName : $"{_workers.First.EngineName} with {_workers.Workers.Count} workers";

    /// <summary>Null when the node has none.</summary>
    public SharedMemoryUplink? SharedMemory => _sharedMemory;

    /// <summary>Ends when another process has taken the node over.</summary>
    public Task HandedOver => _handover.Done;

    /// <summary>Null while the node comes up.</summary>
    public FlowEventServer? FlowEvents { get; private set; }

    public string Description => $"{Local.Cluster}/{Local.Name} with {_writer.Ports.Count} ports";

    /// <exception cref="ConfigurationException">The file contradicts itself.</exception>
    public static void Check(NodeFile file) => new StateWriter(file.Local, seed: 0).Plan(file.Initial);

    /// <exception cref="ConfigurationException">The file contradicts itself.</exception>
    /// <exception cref="DeviceException">A TAP could not be made; those that were made are gone again.</exception>
    /// <exception cref="ControlConnectionException">The socket could not be had: another forwarder may run.</exception>
    public static NodeRuntime Start(NodeFile file, ForwarderOptions options)
    {
        // A mistake in the file is reported before anything is touched.
        Check(file);
        using Takeover? takeover = options.IsTakeover ? Takeover.Prepare(file.SocketPath) : null;
        NodeKeeping keeping = NodeKeeping.Open(file, options);
        var runtime = new NodeRuntime(file, options, keeping);
        try
        {
            lock (runtime._gate)
            {
                // The socket is taken first: it tells whether another forwarder serves this node. Its requests wait for the gate.
                if (takeover is null)
                {
                    runtime._server.Start();
                }

                runtime._workers.Start();
                runtime.OpenNode(takeover);
                if (takeover is not null)
                {
                    takeover.AwaitEnd();
                    runtime._server.Start();
                }
            }

            runtime.FlowEvents = new FlowEventServer(ControlPaths.EventsBeside(file.SocketPath), runtime._workers, Log.Write, runtime._server.Access.SocketMode, runtime._server.Access.Refuses);
            runtime.OpenSharedMemory();
            runtime.WatchIpMasqAgent();
            runtime._ownPorts.Watch(runtime.ReviveOwnPorts);
            keeping.Follow(() => runtime.Read(writer => (writer.ServiceNumbers, JsonSerializer.Serialize(EffectiveConfiguration.DescribeAll(writer, file), ControlJson.Default.NodeDocument))), runtime._workers);
            return runtime;
        }
        catch
        {
            runtime.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw;
        }
    }

    /// <exception cref="ControlException">There is nothing to be taken over, or not now.</exception>
    public TakeoverResult HandOver(TakeoverPhase phase)
    {
        if (phase == TakeoverPhase.Complete && _handover.IsUnderWay)
        {
            Interlocked.Exchange(ref _sharedMemory, null)?.Part(); // Without the gate: it asks for our peers.
        }

        lock (_gate)
        {
            _isStopping |= phase == TakeoverPhase.Complete && _handover.IsUnderWay;
            return _handover.Take(phase);
        }
    }

    /// <summary>Runs with the configuration at rest: no change is under way meanwhile.</summary>
    public T Read<T>(Func<StateWriter, T> read)
    {
        lock (_gate)
        {
            return read(_writer);
        }
    }

    /// <exception cref="ControlException">The change was refused; nothing has changed.</exception>
    public ChangeResult Apply(ChangeDocument change, bool replace) => Change(writer =>
    {
        DesiredChange desired = ChangeTranslator.Translate(change, replace, Local, DocumentOrigin.Request);
        if (_ipMasqAgent is not null && desired.Masquerade is not null)
        {
            desired = desired with { Masquerade = desired.Masquerade with { NonMasqueradeCidrs = writer.Desired.Masquerade.NonMasqueradeCidrs } };
        }

        return (writer.Plan(desired), (desired.Endpoints ?? []).Select(e => e.Name));
    });

    /// <exception cref="ControlException">A name is not there, or what is left contradicts itself; nothing has changed.</exception>
    public ChangeResult Delete(ObjectKind kind, IReadOnlyList<string> names) => Change(writer => (writer.PlanDelete(kind, names), []));

    /// <summary>The effective configuration, with every default filled in.</summary>
    public NodeDocument DescribeConfiguration() => Read(writer => EffectiveConfiguration.Describe(writer, _file));

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isStopping = true;
        }

        _ownPorts.Dispose();
        await _server.DisposeAsync();
        _keeping.End();
        _keeping.Dispose();
        _ipMasqAgent?.Dispose();
        _sharedMemory?.Dispose();
        FlowEvents?.Dispose();
        _namespaces.Dispose();
        _collector.Dispose();
        _workers.Dispose();
        _hostRoutes?.Dispose();
        _ports.Opener.Dispose();
    }

    private void OpenNode(Takeover? takeover)
    {
        List<(int Id, TapPort[] Queues)> opened = _ownPorts.Open();
        _hostRoutes = Local.Host is { InstallRoutes: true } ? new HostRoutes(Local.Host, _ports.Opener) : null;
        Carry(_writer.Plan(_keeping.Initial ?? _file.Initial), [], opened, takeover);
    }

    /// <summary>Opens those of the node's own ports again whose device went, once it can be had.</summary>
    private void ReviveOwnPorts()
    {
        lock (_gate)
        {
            if (_isStopping || _handover.IsUnderWay || _ownPorts.Revive(_workers, _writer.Current) is not { Count: > 0 } revived)
            {
                return;
            }

            if (revived.Contains(StateWriter.HostPort))
            {
                _hostRoutes?.Renew(_writer.Desired);
            }

            _server.NotifyChanged();
        }
    }

    private void OpenSharedMemory()
    {
        if (Local.Uplink?.SharedMemory is { } directory)
        {
            var settings = new SharedMemoryUplink.Settings(directory, $"{Local.Cluster}/{Local.Name}", Local.Uplink.Mac, StateWriter.UplinkPort);
            _sharedMemory = new SharedMemoryUplink(settings, _workers, () => Read(w => w.Desired.Nodes.Values.Select(n => $"{n.Cluster}/{n.Name}").ToArray()), Log.Write);
        }
    }

    private void WatchIpMasqAgent()
    {
        if (Local.Flows.IpMasqAgentConfigPath is { } path)
        {
            _ipMasqAgent = new IpMasqAgentWatch(path, Local, _file.Initial.Masquerade!.NonMasqueradeCidrs, cidrs => Change(writer =>
                (writer.Plan(new DesiredChange { Masquerade = writer.Desired.Masquerade with { NonMasqueradeCidrs = cidrs } }), [])));
        }
    }

    private ChangeResult Change(Func<StateWriter, (StatePlan Plan, IEnumerable<string> Named)> plan)
    {
        try
        {
            lock (_gate)
            {
                if (_isStopping || _handover.IsUnderWay)
                {
                    throw new ControlException(
                        ErrorCode.ShuttingDown, _isStopping ? "the forwarder is stopping; nothing was changed" : "another process is taking the node over; nothing was changed, ask again in a second");
                }

                _workers.RequireTurning();
                (StatePlan made, IEnumerable<string> named) = plan(_writer);
                int reopened = Carry(made, named);
                return new ChangeResult(_writer.Version, made.ChangedCount + reopened);
            }
        }
        catch (ConfigurationException e)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, e.Message);
        }
        catch (KeyNotFoundException e)
        {
            throw new ControlException(ErrorCode.NotFound, e.Message);
        }
        catch (DeviceException e)
        {
            throw new ControlException(ErrorCode.DeviceFailed, $"{e.Message}; nothing was changed");
        }
        finally
        {
            _server.NotifyChanged();
            _keeping.NoteChange();
        }
    }

    /// <summary>A namespace was deleted: its ports go down, everything else stays as it is.</summary>
    private void ClosePortsIn(string path)
    {
        lock (_gate)
        {
            int[] ids = [.. PortNamespaces().Where(p => NamespaceWatch.PathOf(p.Namespace) == path && IsOrphaned(p.Id, p.Namespace)).Select(p => p.Id)];
            if (ids.Length > 0 && !_isStopping)
            {
                _workers.Reconfigure(_writer.Current, ids, []);
                string[] names = [.. _writer.Ports.Values.Where(p => ids.Contains(p.Id)).Select(p => p.Name)];
                bool isOwn = ids.Any(id => id is StateWriter.HostPort or StateWriter.UplinkPort);
                Log.Write($"namespace {path} is gone and with it {string.Join(", ", names)}; {(isOwn ? "that is opened again once it is back" : "once it is back, apply the endpoint again")}");
            }
        }
    }

    private IEnumerable<(int Id, string Namespace)> PortNamespaces() =>
        _ownPorts.Namespaces.Concat(_writer.Desired.Endpoints.Values.Select(e => (_writer.Ports[e.Name].Id, e.Namespace)));

    private bool NeedsReopening(int id, string ns) => !_workers.IsAttached(id) || IsOrphaned(id, ns);

    /// <summary>Served, but by a device in a namespace that its name no longer stands for.</summary>
    private bool IsOrphaned(int id, string ns)
    {
        ulong served = _workers.NamespaceInodeOf(id);
        return served != 0 && served != _ports.Opener.InodeOf(ns);
    }

    /// <summary>
    /// Opens what the plan needs, then makes it the configuration. Endpoints that are named again and whose device has gone, or whose
    /// namespace is not the one it was, are opened anew.
    /// </summary>
    /// <param name="node">Ports of the node that are served from now on, too.</param>
    /// <returns>How many unchanged endpoints were opened anew.</returns>
    private int Carry(StatePlan plan, IEnumerable<string> named, List<(int Id, TapPort[] Queues)>? node = null, Takeover? takeover = null)
    {
        var added = plan.Added.Select(e => e.Name).ToHashSet();
        EndpointSpec[] revived =
        [
            .. named.Where(n => !added.Contains(n)).Select(n => plan.Next.Endpoints[n]).Where(e => NeedsReopening(plan.Ports[e.Name].Id, e.Namespace)),
        ];

        // A pod that comes back changed under the same interface needs the old TAP out of the way first.
        var needed = plan.Added.Select(e => (e.Namespace, e.Interface)).ToHashSet();
        EndpointSpec[] inTheWay = [.. plan.Removed.Where(e => needed.Contains((e.Namespace, e.Interface)))];
        _workers.Reconfigure(_writer.Current, [.. inTheWay.Select(e => _writer.Ports[e.Name].Id)], []);
        List<(int Id, TapPort[] Queues)> opened = [.. node ?? []];
        try
        {
            foreach (EndpointSpec endpoint in plan.Added.Concat(revived))
            {
                _namespaces.Add(endpoint.Namespace);
                opened.Add((plan.Ports[endpoint.Name].Id, _ports.OpenEndpoint(endpoint)));
            }
        }
        catch (DeviceException e)
        {
            Close(opened);
            string[] lost = Restore(inTheWay);
            if (lost.Length == 0)
            {
                throw;
            }

            throw new ControlException(
                ErrorCode.DeviceFailed, $"{e.Message}; the configuration is as it was, but the port of {string.Join(", ", lost)} is down: apply it as it was");
        }

        int[] detached = [.. plan.Removed.Concat(revived).Select(e => _writer.Ports[e.Name].Id)];
        EffectiveConfiguration.Teach(_backends, plan.Difference.Services.Come);
        Snapshot before = _writer.Current;
        Snapshot after = _writer.Commit(plan);
        IReadOnlyList<NeighborNews>? neighbors = null;
        if (takeover is not null)
        {
            neighbors = takeover.Complete();
            _keeping.Own();
        }

        _keeping.Recover(_workers, after, Local, neighbors);
        _workers.Reconfigure(after, detached, opened);
        if (!ReferenceEquals(before, after))
        {
            // Every worker has answered from the new snapshot, so nobody reads older ones.
            _writer.Reclaim(after);
            _hostRoutes?.Update(plan.Next);
            NextHops.Solicit(_workers, Local.HasNodeRoutes ? plan.Difference.Nodes.Come : [], after);
        }

        return revived.Length;
    }

    /// <returns>The endpoints whose old device could not be made again.</returns>
    private string[] Restore(EndpointSpec[] endpoints)
    {
        List<string> lost = [];
        foreach (EndpointSpec endpoint in endpoints)
        {
            try
            {
                _workers.Reconfigure(_writer.Current, [], [(_writer.Ports[endpoint.Name].Id, _ports.OpenEndpoint(endpoint))]);
            }
            catch (DeviceException e)
            {
                Log.Write($"endpoint {endpoint.Name} could not be put back: {e.Message}");
                lost.Add(endpoint.Name);
            }
        }

        return [.. lost];
    }

    private static void Close(List<(int Id, TapPort[] Queues)> opened) => opened.ForEach(o => Array.ForEach(o.Queues, q => q.Dispose()));
}
