using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>All objects of the own cluster at one moment. Immutable; each kind by its key.</summary>
public sealed record LocalObjects
{
    public static LocalObjects Empty { get; } = new();

    public ImmutableSortedDictionary<string, ServiceObject> Services { get; init; } = None<ServiceObject>();

    public ImmutableSortedDictionary<string, EndpointSliceObject> EndpointSlices { get; init; } = None<EndpointSliceObject>();

    public ImmutableSortedDictionary<string, PodObject> Pods { get; init; } = None<PodObject>();

    public ImmutableSortedDictionary<string, DeploymentObject> Deployments { get; init; } = None<DeploymentObject>();

    public ImmutableSortedDictionary<string, NodeObject> Nodes { get; init; } = None<NodeObject>();

    public ImmutableSortedDictionary<string, ConfigMapObject> ConfigMaps { get; init; } = None<ConfigMapObject>();

    public ImmutableSortedDictionary<string, NamespaceObject> Namespaces { get; init; } = None<NamespaceObject>();

    /// <summary>Of all three kinds, by plural and key: networkpolicies/default/allow-curl.</summary>
    public ImmutableSortedDictionary<string, PolicyObject> Policies { get; init; } = None<PolicyObject>();

    private IReadOnlyList<PodObject>? _running;
    private ILookup<string, PodObject>? _runningByNamespace;
    private ILookup<string, EndpointSliceObject>? _slicesByService;

    public LocalObjects()
    {
    }

    /// <summary>What was computed from the original may not hold for a copy.</summary>
    private LocalObjects(LocalObjects original) =>
        (Services, EndpointSlices, Pods, Deployments, Nodes, ConfigMaps, Namespaces, Policies) =
        (original.Services, original.EndpointSlices, original.Pods, original.Deployments, original.Nodes, original.ConfigMaps, original.Namespaces, original.Policies);

    /// <summary>The pods that run: of each deployment's, as many as it wants; pods of no deployment always.</summary>
    public IReadOnlyList<PodObject> RunningPods() => _running ??= [.. FindRunning()];

    public IEnumerable<PodObject> RunningPods(string @namespace) => (_runningByNamespace ??= RunningPods().ToLookup(p => p.Namespace))[@namespace];

    /// <summary>The endpoint slices of a service, by its key.</summary>
    public IEnumerable<EndpointSliceObject> SlicesOf(string service) => (_slicesByService ??= EndpointSlices.Values.ToLookup(s => $"{s.Namespace}/{s.Service}"))[service];

    public static bool Matches(IReadOnlyDictionary<string, string> selector, IReadOnlyDictionary<string, string> labels) =>
        selector.All(s => labels.TryGetValue(s.Key, out string? value) && value == s.Value);

    /// <summary>Takes changes of the store in; keys are behind <see cref="ObjectKeys.Prefix"/>. What is no object of ours is passed over.</summary>
    /// <param name="refused">Keys whose value cannot be read are added.</param>
    public LocalObjects With(IReadOnlyList<StoreChange> changes, ICollection<string> refused)
    {
        LocalObjects after = this;
        foreach (StoreChange change in changes)
        {
            if (!ObjectKeys.TryParse(change.Key, out ObjectKind kind, out string key))
            {
                continue;
            }

            try
            {
                after = kind switch
                {
                    ObjectKind.Service => after with { Services = Set(after.Services, key, change, ObjectJson.Default.ServiceObject) },
                    ObjectKind.EndpointSlice => after with { EndpointSlices = Set(after.EndpointSlices, key, change, ObjectJson.Default.EndpointSliceObject) },
                    ObjectKind.Pod => after with { Pods = Set(after.Pods, key, change, ObjectJson.Default.PodObject) },
                    ObjectKind.Deployment => after with { Deployments = Set(after.Deployments, key, change, ObjectJson.Default.DeploymentObject) },
                    ObjectKind.Node => after with { Nodes = Set(after.Nodes, key, change, ObjectJson.Default.NodeObject) },
                    ObjectKind.Namespace => after with { Namespaces = Set(after.Namespaces, key, change, ObjectJson.Default.NamespaceObject) },
                    ObjectKind.NetworkPolicy or ObjectKind.CiliumNetworkPolicy or ObjectKind.CiliumClusterwideNetworkPolicy =>
                        after with { Policies = Set(after.Policies, $"{ObjectKeys.NameOf(kind)}/{key}", change, ObjectJson.Default.PolicyObject) },
                    _ => after with { ConfigMaps = Set(after.ConfigMaps, key, change, ObjectJson.Default.ConfigMapObject) },
                };
            }
            catch (JsonException)
            {
                refused.Add(change.Key);
            }
        }

        return after;
    }

    /// <summary>The write that stores an object.</summary>
    public static StoreWrite Write(object value)
    {
        (ObjectKind kind, string key) = value switch
        {
            ServiceObject service => (ObjectKind.Service, service.Key),
            EndpointSliceObject slice => (ObjectKind.EndpointSlice, slice.Key),
            PodObject pod => (ObjectKind.Pod, pod.Key),
            DeploymentObject deployment => (ObjectKind.Deployment, deployment.Key),
            NodeObject node => (ObjectKind.Node, node.Key),
            ConfigMapObject map => (ObjectKind.ConfigMap, map.Key),
            NamespaceObject space => (ObjectKind.Namespace, space.Key),
            PolicyObject policy => (Enum.Parse<ObjectKind>(policy.Kind), policy.Key),
            _ => throw new ArgumentException($"{value.GetType().Name} is no object of a cluster", nameof(value)),
        };
        return new StoreWrite(ObjectKeys.Of(kind, key), JsonSerializer.SerializeToUtf8Bytes(value, ObjectJson.Default.GetTypeInfo(value.GetType())!));
    }

    /// <summary>The writes that store all of them.</summary>
    public IEnumerable<StoreWrite> Writes() =>
        ((IEnumerable<object>[])[Nodes.Values, Namespaces.Values, ConfigMaps.Values, Deployments.Values, Pods.Values, EndpointSlices.Values, Services.Values]).SelectMany(all => all).Select(Write);

    private IEnumerable<PodObject> FindRunning()
    {
        HashSet<string> stopped = [];
        foreach (DeploymentObject deployment in Deployments.Values)
        {
            stopped.UnionWith(Pods.Values
                .Where(p => p.Namespace == deployment.Namespace && deployment.Selector.Count > 0 && Matches(deployment.Selector, p.Labels))
                .Skip(Math.Max(0, deployment.Replicas)).Select(p => p.Key));
        }

        return Pods.Values.Where(p => !stopped.Contains(p.Key));
    }

    private static ImmutableSortedDictionary<string, T> None<T>() => ImmutableSortedDictionary.Create<string, T>(StringComparer.Ordinal);

    private static ImmutableSortedDictionary<string, T> Set<T>(ImmutableSortedDictionary<string, T> before, string key, StoreChange change, JsonTypeInfo<T> shape) =>
        change.Value is ReadOnlyMemory<byte> value
            ? before.SetItem(key, JsonSerializer.Deserialize(value.Span, shape) ?? throw new JsonException("null is no object"))
            : before.Remove(key);
}
