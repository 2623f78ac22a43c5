using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// What must be told so that a forwarder that has one configuration has another. An object that is the very same is not looked into; the
/// text of each other one is made once and kept beside it for the next comparison.
/// </summary>
internal sealed class ChangeDifference
{
    private static readonly ConditionalWeakTable<object, byte[]> s_texts = [];

    private ChangeDifference(ChangeDocument before, ChangeDocument wanted)
    {
        (Nodes, GoneNodes) = Compare(before.Nodes!, wanted.Nodes!, n => (n.Cluster ?? "", n.Name), ControlJson.Default.RemoteNodeDocument);
        (Services, GoneServices) = Compare(before.Services!, wanted.Services!, s => ("", s.Name), ControlJson.Default.ServiceDocument);
        (Policies, GonePolicies) = Compare(before.Policies ?? [], wanted.Policies ?? [], p => ("", p.Name), ControlJson.Default.PolicyDocument);
        HasOther = !Text(before.Masquerade, ControlJson.Default.MasqueradeSection).AsSpan().SequenceEqual(Text(wanted.Masquerade, ControlJson.Default.MasqueradeSection));
    }

    public IReadOnlyList<RemoteNodeDocument> Nodes { get; }

    public IReadOnlyList<ServiceDocument> Services { get; }

    public IReadOnlyList<PolicyDocument> Policies { get; }

    /// <summary>cluster/name.</summary>
    public IReadOnlyList<string> GoneNodes { get; }

    public IReadOnlyList<string> GoneServices { get; }

    public IReadOnlyList<string> GonePolicies { get; }

    /// <summary>What is neither node, service nor policy differs.</summary>
    public bool HasOther { get; }

    public bool IsEmpty => Nodes.Count + Services.Count + Policies.Count + GoneNodes.Count + GoneServices.Count + GonePolicies.Count == 0 && !HasOther;

    public static ChangeDifference Between(ChangeDocument before, ChangeDocument wanted) => new(before, wanted);

    private static (List<T> Changed, List<string> Gone) Compare<T>(
        IReadOnlyList<T> before, IReadOnlyList<T> wanted, Func<T, (string Cluster, string Name)> nameOf, JsonTypeInfo<T> shape)
        where T : class
    {
        if (ReferenceEquals(before, wanted))
        {
            return ([], []);
        }

        Dictionary<(string Cluster, string Name), T> old = before.ToDictionary(nameOf);
        List<T> changed = [];
        foreach (T each in wanted)
        {
            if (!old.Remove(nameOf(each), out T? same) || (!ReferenceEquals(same, each) && !Text(same, shape).AsSpan().SequenceEqual(Text(each, shape))))
            {
                changed.Add(each);
            }
        }

        return (changed, [.. old.Keys.Select(k => k.Cluster.Length > 0 ? $"{k.Cluster}/{k.Name}" : k.Name)]);
    }

    private static byte[] Text<T>(T? value, JsonTypeInfo<T> shape)
        where T : class => value is null ? [] : s_texts.GetValue(value, v => JsonSerializer.SerializeToUtf8Bytes((T)v, shape));
}
