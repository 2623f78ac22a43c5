using System.Collections.Immutable;
using System.Globalization;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Remote;

/// <summary>Takes a cluster's changes of one kind into the view. A record that is not what it should be is said once, counted, and refused.</summary>
internal sealed class RecordSink(string cluster, MeshState state, Action<string> log)
{
    /// <summary>Keys whose mistake has been said; a hostile cluster may not fill the log.</summary>
    private const int SaidLimit = 100;

    private readonly HashSet<string> _said = [];
    private int _refusedCount;
    private volatile string? _lastRefusal;

    public uint ClusterId { get; set; }

    public IdentityRange Range { get; set; }

    /// <summary>Records refused since the start.</summary>
    public int RefusedCount => Volatile.Read(ref _refusedCount);

    /// <summary>The record refused last, in a sentence.</summary>
    public string? LastRefusal => _lastRefusal;

    public IReadOnlyCollection<string> Take(MeshRecordKind kind, IReadOnlyList<StoreChange> changes)
    {
        List<string> refused = [];
        state.Update(cluster, ClusterId, view => kind switch
        {
            MeshRecordKind.Node => view with { Nodes = Merge(kind, view.Nodes, changes, refused, k => k, ReadNode) },
            MeshRecordKind.Service => view with { Services = Merge(kind, view.Services, changes, refused, k => k, ReadService) },
            MeshRecordKind.Ip => view with { Ips = Merge(kind, view.Ips, changes, refused, k => k, ReadIp) },
            _ => view with { Identities = Merge(kind, view.Identities, changes, refused, ToNumber, ReadIdentity) },
        }, kind, [.. changes.Select(c => c.Key)]);
        return refused;
    }

    private static uint ToNumber(string key) => uint.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : 0;

    /// <summary>A reader gives null and no mistake for a record that counts as a deletion.</summary>
    private ImmutableDictionary<TKey, T> Merge<TKey, T>(
        MeshRecordKind kind, ImmutableDictionary<TKey, T> before, IReadOnlyList<StoreChange> changes, List<string> refused,
        Func<string, TKey> keyOf, Reader<T> read)
        where TKey : notnull
        where T : class
    {
        ImmutableDictionary<TKey, T>.Builder after = before.ToBuilder();
        foreach (StoreChange change in changes)
        {
            T? record = null;
            string? mistake = null;
            if (change.Value is ReadOnlyMemory<byte> value)
            {
                record = read(change.Key, value.Span, out mistake);
            }

            if (mistake is not null)
            {
                refused.Add(change.Key);
                Say(kind, change.Key, mistake);
            }
            else if (record is null)
            {
                after.Remove(keyOf(change.Key));
            }
            else
            {
                after[keyOf(change.Key)] = record;
            }
        }

        return after.ToImmutable();
    }

    private MeshNode? ReadNode(string key, ReadOnlySpan<byte> value, out string? mistake)
    {
        mistake = MeshNode.TryRead(value, out MeshNode? node, out string fault) ? node!.Check(key, cluster, ClusterId) : fault;
        return node;
    }

    private ClusterService? ReadService(string key, ReadOnlySpan<byte> value, out string? mistake)
    {
        mistake = ClusterService.TryRead(value, out ClusterService? service, out string fault) ? service!.Check(key, cluster, ClusterId) : fault;
        return service is { Shared: true } ? service : null;
    }

    private IpIdentity? ReadIp(string key, ReadOnlySpan<byte> value, out string? mistake)
    {
        mistake = IpIdentity.TryRead(value, out IpIdentity? pair, out string fault) ? pair!.Check(key, Range) : fault;
        return pair?.AsRemote();
    }

    private IdentityLabels? ReadIdentity(string key, ReadOnlySpan<byte> value, out string? mistake)
    {
        mistake = IdentityLabels.TryRead(value, out IdentityLabels? labels, out string fault) ? labels!.Check(key, cluster, Range) : fault;
        return labels;
    }

    private void Say(MeshRecordKind kind, string key, string mistake)
    {
        Interlocked.Increment(ref _refusedCount);
        _lastRefusal = $"{MeshKeys.NameOf(kind)} {Shown.Quote(key)}: {mistake}";
        if (_said.Count < SaidLimit && _said.Add($"{kind}/{key}"))
        {
            log($"cluster {cluster}: {MeshKeys.NameOf(kind)} {Shown.Quote(key)} is ignored: {mistake}"
                + (_said.Count == SaidLimit ? "; further ones are counted but not said" : ""));
        }
    }

    private delegate T? Reader<T>(string key, ReadOnlySpan<byte> value, out string? mistake);
}
