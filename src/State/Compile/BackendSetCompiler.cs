using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>Makes the backend sets of one service: one for each family, scope and algorithm that its frontends need, shared by those that need the same.</summary>
internal sealed class BackendSetCompiler
{
    private readonly List<(bool IsIpv4, bool IsLocalOnly, bool IsMaglev, BackendSet Set)> _sets = [];
    private readonly LocalNodeSpec _local;
    private readonly ServiceSpec _service;
    private readonly MaglevTables _maglev;
    private readonly BackendSpec[] _specs;
    private readonly uint[] _ids;
    private readonly int[] _all;

    /// <param name="ids">Takes each backend up once.</param>
    public BackendSetCompiler(ServiceSpec service, LocalNodeSpec local, BackendIds ids, MaglevTables maglev)
    {
        _local = local;
        _service = service;
        _maglev = maglev;
        _specs = [.. service.Backends];
        Array.Sort(_specs, InSlotOrder);
        _ids = new uint[_specs.Length];
        _all = new int[_specs.Length];
        for (int i = 0; i < _specs.Length; i++)
        {
            _ids[i] = ids.Take(_specs[i], service.Protocol);
            _all[i] = i;
        }
    }

    public BackendSet For(bool isIpv4, bool isLocalOnly, bool isMaglev)
    {
        foreach ((bool IsIpv4, bool IsLocalOnly, bool IsMaglev, BackendSet Set) made in _sets)
        {
            if ((made.IsIpv4, made.IsLocalOnly, made.IsMaglev) == (isIpv4, isLocalOnly, isMaglev))
            {
                return made.Set;
            }
        }

        BackendSet set = Make(isIpv4, isLocalOnly, isMaglev);
        _sets.Add((isIpv4, isLocalOnly, isMaglev, set));
        return set;
    }

    /// <summary>Cilium's order: by state, then address and port.</summary>
    private static int InSlotOrder(BackendSpec a, BackendSpec b)
    {
        int state = a.State.CompareTo(b.State);
        int address = state != 0 ? state : a.Address.CompareTo(b.Address);
        return address != 0 ? address : a.Port.CompareTo(b.Port);
    }

    private BackendSet Make(bool isIpv4, bool isLocalOnly, bool isMaglev)
    {
        int[] members = Members(isIpv4, isLocalOnly);
        if (members.Length == 0)
        {
            return BackendSet.Empty;
        }

        int[] candidates = Candidates(members);
        Backend[] backends = Backends(members);
        bool isBeginning = members.AsSpan().StartsWith(candidates);
        MaglevTable? maglev = isMaglev && candidates.Length > 0 ? _maglev.For(_service, Array.ConvertAll(candidates, i => _specs[i])) : null;
        return new BackendSet(backends, isBeginning ? backends : Backends(candidates), candidates.Length, maglev);
    }

    private Backend[] Backends(int[] some)
    {
        var backends = new Backend[some.Length];
        for (int i = 0; i < some.Length; i++)
        {
            BackendSpec spec = _specs[some[i]];
            backends[i] = new Backend(_ids[some[i]], spec.Address, spec.Port, spec.State);
        }

        return backends;
    }

    private int[] Members(bool isIpv4, bool isLocalOnly)
    {
        int[] members = Where(_all, isIpv4 ? static (_, s) => s.Address.IsIpv4 : static (_, s) => !s.Address.IsIpv4);
        if (isLocalOnly)
        {
            members = Where(members, static (c, s) => c.MayBeLocal(s));
        }

        bool hasHints = _service.UsesTopology && _local.LoadBalancer.HasServiceTopology && _local.Zone.Length > 0;
        return hasHints ? Near(members) : members;
    }

    /// <summary>Cilium takes out those that are on a known other node of the own cluster; of other clusters' it knows no node.</summary>
    private bool MayBeLocal(BackendSpec backend) => backend.Node.Length == 0 || backend.Node == _local.Name || backend.Cluster != _local.Cluster;

    /// <summary>Those whose hints name the node's zone; all when one has no hint or none names it.</summary>
    private int[] Near(int[] members)
    {
        if (Array.Exists(members, i => _specs[i].ForZones.Length == 0))
        {
            return members;
        }

        int[] near = Where(members, static (c, s) => s.ForZones.Split(',').Contains(c._local.Zone));
        return near.Length > 0 ? near : members;
    }

    /// <summary>Active and preferred ones if there are enough, else active ones, else those that go and still serve.</summary>
    private int[] Candidates(int[] members)
    {
        int[] active = Where(members, static (_, s) => s.State == BackendState.Active);
        int[] preferred = _service.IsGlobal ? Where(active, static (c, s) => c._service.IsPreferred(s, c._local.Cluster)) : [];
        return preferred.Length >= (_service.Affinity == ClusterAffinity.Local ? _service.LeastLocalBackends : 1) ? preferred
            : active.Length > 0 ? active
            : Where(members, static (_, s) => s.State == BackendState.Terminating);
    }

    /// <summary>The same array where all are: mostly they are, and large changes have many services.</summary>
    private int[] Where(int[] some, Func<BackendSetCompiler, BackendSpec, bool> holds)
    {
        int count = 0;
        foreach (int i in some)
        {
            count += holds(this, _specs[i]) ? 1 : 0;
        }

        if (count == some.Length)
        {
            return some;
        }

        int[] found = new int[count];
        int next = 0;
        foreach (int i in some)
        {
            if (holds(this, _specs[i]))
            {
                found[next++] = i;
            }
        }

        return found;
    }
}
