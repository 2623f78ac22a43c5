using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Keeps the store's names what the mesh and the forwarder say: by changes, so that a table of names shares with the one before it what stayed.</summary>
internal sealed class NameKeeper(AgentRuntime agent, FlowStore store, TimeProvider time)
{
    /// <summary>A change is seldom alone.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(100);

    private readonly MeshNames _mesh = new(agent.Settings.Cluster, agent.Settings.Node);
    private Dictionary<IpPrefix, EndpointName> _endpoints = [];
    private Dictionary<ServiceAddress, ServiceName> _services = [];
    private Dictionary<uint, string> _interfaces = [];
    private TaskCompletionSource _forwarderChange = NewSignal();

    public async Task RunAsync(CancellationToken cancellation)
    {
        ForwarderNames forwarder = new(
            agent.Settings.ForwarderSocket, agent.Settings.Cluster, time, () => Interlocked.Exchange(ref _forwarderChange, NewSignal()).TrySetResult());
        Task following = forwarder.RunAsync(cancellation);
        while (true)
        {
            Task change = Task.WhenAny(agent.NextNames(), Volatile.Read(ref _forwarderChange).Task, following);
            Set(forwarder);
            await change.WaitAsync(cancellation);
            if (following.IsCompleted)
            {
                await following;
            }

            await Task.Delay(s_rest, time, cancellation);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static List<KeyValuePair<TKey, TValue?>> Difference<TKey, TValue>(Dictionary<TKey, TValue> before, Dictionary<TKey, TValue> after)
        where TKey : notnull
        where TValue : class
    {
        List<KeyValuePair<TKey, TValue?>> changes = [];
        foreach ((TKey key, TValue value) in after)
        {
            if (!before.TryGetValue(key, out TValue? old) || !old.Equals(value))
            {
                changes.Add(new(key, value));
            }
        }

        changes.AddRange(before.Keys.Where(k => !after.ContainsKey(k)).Select(k => new KeyValuePair<TKey, TValue?>(k, null)));
        return changes;
    }

    private void Set(ForwarderNames forwarder)
    {
        Dictionary<IpPrefix, EndpointName> endpoints = [];
        foreach (Dictionary<IpPrefix, EndpointName> source in _mesh.Of(agent.Objects, agent.IdentityNumbers, agent.Remotes.State.Current).Append(forwarder.Endpoints))
        {
            foreach ((IpPrefix prefix, EndpointName name) in source)
            {
                endpoints.TryAdd(prefix, name);
            }
        }

        Dictionary<ServiceAddress, ServiceName> services = forwarder.Services;
        Dictionary<uint, string> interfaces = forwarder.Interfaces;
        NameTable names = store.Names;
        List<KeyValuePair<IpPrefix, EndpointName?>> endpointChanges = Difference(_endpoints, endpoints);
        List<KeyValuePair<ServiceAddress, ServiceName?>> serviceChanges = Difference(_services, services);
        List<KeyValuePair<uint, string?>> interfaceChanges = Difference(_interfaces, interfaces);
        names = endpointChanges.Count > 0 ? names.WithEndpoints(endpointChanges) : names;
        names = serviceChanges.Count > 0 ? names.WithServices(serviceChanges) : names;
        store.Names = interfaceChanges.Count > 0 ? names.WithInterfaces(interfaceChanges) : names;
        (_endpoints, _services, _interfaces) = (endpoints, services, interfaces);
    }
}
