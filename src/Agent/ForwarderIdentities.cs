using System.Globalization;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Keeps the forwarder's ipcache and identities what the own cluster and the view of all others say. What a connection finds there is read once;
/// from then on a change costs what it changes, not what there is. What is of a cluster that is not listed in full yet stays.
/// </summary>
/// <param name="own">Who is behind which address as far as that is not in the view, and the labels of the own identities.</param>
/// <param name="isSyncing">Whether a cluster has not been listed in full yet; of the own one, whether its identities have not been asked for.</param>
internal sealed class ForwarderIdentities(
    MeshState mesh, Func<MeshView, (Dictionary<IpPrefix, IpcacheClaim> Claims, IReadOnlyDictionary<uint, string> Labels)> own, Func<string, bool> isSyncing)
{
    /// <summary>Objects of one request: some 3 MB, and short enough for others to have their turn.</summary>
    private const int BatchCount = 20_000;

    private readonly Dictionary<IpPrefix, IpcacheClaim> _held = [];
    private readonly Dictionary<uint, string> _heldLabels = [];
    private Dictionary<IpPrefix, IpcacheClaim> _own = [];
    private IReadOnlyDictionary<uint, string> _ownLabels = new Dictionary<uint, string>();
    private readonly Dictionary<string, bool> _syncing = new(StringComparer.Ordinal);
    private MeshChange? _seen;

    /// <summary>Something that should go was kept, as its cluster is being listed: what changes next is looked at in full.</summary>
    private bool _hasKept;

    /// <summary>The forwarder is too old to know of identities.</summary>
    public bool IsUnknown { get; private set; }

    /// <summary>Reads what the forwarder has; once a connection, before <see cref="PushAsync"/>.</summary>
    public async Task ReadAsync(ControlClient client, CancellationToken cancellation)
    {
        _held.Clear();
        _heldLabels.Clear();
        _seen = null;
        try
        {
            await foreach (IpcacheRow row in client.ListAsync(ControlKinds.Ipcache, cancellation))
            {
                if (row.Source is not ("local" or "node" or "policy"))
                {
                    IpAddress endpoint = IpAddress.Parse(row.TunnelEndpoint);
                    _held[IpPrefix.Parse(row.Prefix)] = new IpcacheClaim((uint)row.Identity, endpoint.IsUnspecified ? null : endpoint, (byte)row.EncryptKey, row.Cluster, row.Source);
                }
            }

            await foreach (IdentityRow row in client.ListAsync(ControlKinds.Identity, cancellation))
            {
                if (row.Type == "cluster")
                {
                    _heldLabels[(uint)row.Id] = TextOf(row.Labels);
                }
            }

            IsUnknown = false;
        }
        catch (ControlException fault) when (fault.Code == ErrorCode.InvalidParams)
        {
            IsUnknown = true;
        }
    }

    /// <summary>Tells the forwarder what it does not have yet. Each batch holds whole or not at all; a later one may follow when the connection breaks between.</summary>
    public async Task PushAsync(ControlClient client, CancellationToken cancellation)
    {
        if (IsUnknown)
        {
            return;
        }

        MeshChange? from = _hasKept ? null : _seen;
        (HashSet<IpPrefix>? prefixes, HashSet<uint>? ids) = Touched(ref from);
        MeshView view = mesh.Current;
        Dictionary<IpPrefix, IpcacheClaim> before = _own;
        IReadOnlyDictionary<uint, string> labelsBefore = _ownLabels;
        (_own, _ownLabels) = own(view);
        _hasKept = false;
        _syncing.Clear();
        if (prefixes is null || ids is null)
        {
            prefixes = [.. _held.Keys, .. _own.Keys, .. view.Ips.Select(i => i.Prefix)];
            ids = [.. _heldLabels.Keys, .. _ownLabels.Keys, .. view.Clusters.Values.SelectMany(c => c.Identities.Keys)];
        }
        else
        {
            bool isOther = !ReferenceEquals(before, _own);
            prefixes.UnionWith((isOther ? before : []).Where(c => !_own.TryGetValue(c.Key, out IpcacheClaim now) || now != c.Value).Select(c => c.Key));
            prefixes.UnionWith((isOther ? _own.Keys : Enumerable.Empty<IpPrefix>()).Where(p => !before.ContainsKey(p)));
            ids.UnionWith((isOther ? labelsBefore.Keys.Concat(_ownLabels.Keys) : []).Where(id => labelsBefore.GetValueOrDefault(id) != _ownLabels.GetValueOrDefault(id)));
        }

        // First the labels of those who come, then who is where, last the labels that nobody has any more.
        List<uint> goneIds = await ApplyLabelsAsync(client, view, ids, cancellation);
        await ApplyClaimsAsync(client, view, prefixes, cancellation);
        foreach (uint[] chunk in goneIds.Chunk(BatchCount))
        {
            await client.DeleteAsync("identity", [.. chunk.Select(id => id.ToString(CultureInfo.InvariantCulture))], cancellation);
            Array.ForEach(chunk, id => _heldLabels.Remove(id));
        }

        _seen = from;
    }

    /// <summary>What the changes since then touch; nulls when that is everything.</summary>
    /// <param name="from">The last change that was seen, and then the last there is.</param>
    private (HashSet<IpPrefix>? Prefixes, HashSet<uint>? Ids) Touched(ref MeshChange? from)
    {
        MeshChange? at = from;
        if (at is null)
        {
            from = mesh.LastChange;
            return (null, null);
        }

        HashSet<IpPrefix>? prefixes = [];
        HashSet<uint>? ids = [];
        for (MeshChange? next = at.Next; next is not null; next = next.Next)
        {
            from = next;
            if (next.Kind is null)
            {
                prefixes = null;
                ids = null;
            }
            else if (next.Kind == MeshRecordKind.Ip)
            {
                prefixes?.UnionWith(next.Keys.Select(PrefixOf).OfType<IpPrefix>());
            }
            else if (next.Kind == MeshRecordKind.Identity)
            {
                ids?.UnionWith(next.Keys.Select(k => uint.TryParse(k, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? id : 0).Where(id => id != 0));
            }
        }

        return (prefixes, ids);
    }

    private static IpPrefix? PrefixOf(string key) => IpAddress.TryParse(key, out IpAddress address) ? IpPrefix.Host(address)
        : IpPrefix.TryParse(key, out IpPrefix prefix) ? prefix : null;

    private async Task<List<uint>> ApplyLabelsAsync(ControlClient client, MeshView view, HashSet<uint> ids, CancellationToken cancellation)
    {
        List<(uint Id, string Text)> come = [];
        List<uint> gone = [];
        foreach (uint id in ids)
        {
            string? wanted = _ownLabels.GetValueOrDefault(id) ?? view.Clusters.Values.Select(c => c.Identities.GetValueOrDefault(id)?.Text).FirstOrDefault(t => t is not null);
            string? held = _heldLabels.GetValueOrDefault(id);
            if (wanted is not null && wanted != held)
            {
                come.Add((id, wanted));
            }
            else if (wanted is null && held is not null)
            {
                if (ClusterOf(held) is string other && IsSyncing(other))
                {
                    _hasKept = true;
                }
                else
                {
                    gone.Add(id);
                }
            }
        }

        foreach ((uint Id, string Text)[] chunk in come.Chunk(BatchCount))
        {
            await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument
            {
                Identities = [.. chunk.Select(i => new IdentityDocument { Id = (int)i.Id, Labels = LabelsOf(i.Text) })],
            }, cancellation);
            Array.ForEach(chunk, i => _heldLabels[i.Id] = i.Text);
        }

        return gone;
    }

    private async Task ApplyClaimsAsync(ControlClient client, MeshView view, HashSet<IpPrefix> prefixes, CancellationToken cancellation)
    {
        List<(IpPrefix Prefix, IpcacheClaim Claim)> come = [];
        List<IpPrefix> gone = [];
        Dictionary<IpPrefix, IpcacheClaim>? all = prefixes.Count > BatchCount ? All(view) : null;
        foreach (IpPrefix prefix in prefixes)
        {
            IpcacheClaim? wanted = all is null ? Find(view, prefix) : all.TryGetValue(prefix, out IpcacheClaim found) ? found : null;
            bool isHeld = _held.TryGetValue(prefix, out IpcacheClaim held);
            if (wanted is { } claim && !(isHeld && held == claim))
            {
                come.Add((prefix, claim));
            }
            else if (wanted is null && isHeld)
            {
                if (IsSyncing(held.Cluster))
                {
                    _hasKept = true;
                }
                else
                {
                    gone.Add(prefix);
                }
            }
        }

        foreach ((IpPrefix Prefix, IpcacheClaim Claim)[] chunk in come.Chunk(BatchCount))
        {
            await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Ipcache = [.. chunk.Select(c => Document(c.Prefix, c.Claim))] }, cancellation);
            Array.ForEach(chunk, c => _held[c.Prefix] = c.Claim);
        }

        foreach (IpPrefix[] chunk in gone.Chunk(BatchCount))
        {
            await client.DeleteAsync("ipcache", [.. chunk.Select(p => p.ToString())], cancellation);
            Array.ForEach(chunk, p => _held.Remove(p));
        }
    }

    /// <summary>Asked once a push for each cluster.</summary>
    private bool IsSyncing(string other)
    {
        if (!_syncing.TryGetValue(other, out bool known))
        {
            _syncing[other] = known = isSyncing(other);
        }

        return known;
    }

    /// <summary>Of several who claim a prefix: the own cluster, then the first by name.</summary>
    private IpcacheClaim? Find(MeshView view, IpPrefix prefix)
    {
        if (_own.TryGetValue(prefix, out IpcacheClaim claim))
        {
            return claim;
        }

        string text = prefix.FamilyLength == (prefix.IsIpv4 ? 32 : 128) ? prefix.Address.ToString() : prefix.ToString();
        foreach (ClusterView other in view.Clusters.Values)
        {
            if ((other.Ips.TryGetValue(text, out IpIdentity? pair) || other.Ips.TryGetValue(prefix.ToString(), out pair)) && pair.Identity != 0)
            {
                return ClaimOf(other, pair);
            }
        }

        return null;
    }

    private Dictionary<IpPrefix, IpcacheClaim> All(MeshView view)
    {
        Dictionary<IpPrefix, IpcacheClaim> all = new(_own);
        foreach (ClusterView other in view.Clusters.Values)
        {
            foreach (IpIdentity pair in other.Ips.Values.Where(p => p.Identity != 0))
            {
                all.TryAdd(pair.Prefix, ClaimOf(other, pair));
            }
        }

        return all;
    }

    /// <summary>What another cluster writes for its node is only used where it is the address of one.</summary>
    private static IpcacheClaim ClaimOf(ClusterView other, IpIdentity pair) => new(
        pair.Identity, pair.HostIp is { IsUnspecified: false, IsLoopback: false, IsMulticast: false, IsBroadcast: false } host ? host : null, pair.Key, other.Name, "kvstore");

    private static IpcacheDocument Document(IpPrefix prefix, IpcacheClaim claim) => new()
    {
        Prefix = prefix.ToString(),
        Identity = (int)claim.Identity,
        TunnelEndpoint = claim.Endpoint?.ToString(),
        EncryptKey = claim.Key,
        Cluster = claim.Cluster,
        Source = claim.Origin,
    };

    private static string[] LabelsOf(string text) =>
        [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries).Where(l => l.IndexOf(':', StringComparison.Ordinal) > 0).Distinct().Order(StringComparer.Ordinal)];

    private static string TextOf(IEnumerable<string> labels) => string.Concat(labels.Select(l => l + ";"));

    private static string? ClusterOf(string labels)
    {
        const string Key = "k8s:" + IdentityLabels.ClusterLabel + "=";
        int at = labels.IndexOf(Key, StringComparison.Ordinal);
        return at < 0 ? null : labels[(at + Key.Length)..labels.IndexOf(';', at)];
    }
}
