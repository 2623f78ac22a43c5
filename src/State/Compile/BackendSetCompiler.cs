using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>Makes the backend sets of one service: one for each family, scope and algorithm that its frontends need, shared by those that need the same.</summary>
internal sealed class BackendSetCompiler
{
    private readonly Dictionary<(bool IsIpv4, bool IsLocalOnly, bool IsMaglev), BackendSet> _sets = [];
    private readonly LocalNodeSpec _local;
    private readonly ServiceSpec _service;
    private readonly MaglevTables _maglev;
    private readonly BackendSpec[] _specs;
    private readonly uint[] _ids;

    /// <param name="ids">Takes each backend up once.</param>
    public BackendSetCompiler(ServiceSpec service, LocalNodeSpec local, BackendIds ids, MaglevTables maglev)
    {
        _local = local;
        _service = service;
        _maglev = maglev;
        _specs = [.. service.Backends];
        Array.Sort(_specs, InSlotOrder);
        _ids = Array.ConvertAll(_specs, s => ids.Take(s, service.Protocol));
    }

    public BackendSet For(bool isIpv4, bool isLocalOnly, bool isMaglev)
    {
        if (!_sets.TryGetValue((isIpv4, isLocalOnly, isMaglev), out BackendSet? set))
        {
            set = Make(isIpv4, isLocalOnly, isMaglev);
            _sets.Add((isIpv4, isLocalOnly, isMaglev), set);
        }

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
        List<int> members = new(_specs.Length);
        for (int i = 0; i < _specs.Length; i++)
        {
            if (_specs[i].Address.IsIpv4 == isIpv4 && (!isLocalOnly || MayBeLocal(_specs[i])))
            {
                members.Add(i);
            }
        }

        members = Near(members);
        if (members.Count == 0)
        {
            return BackendSet.Empty;
        }

        List<int> candidates = Candidates(members);
        Backend[] backends = [.. members.Select(Backend)];
        bool isBeginning = members.Take(candidates.Count).SequenceEqual(candidates);
        MaglevTable? maglev = isMaglev && candidates.Count > 0 ? _maglev.For(_service, [.. candidates.Select(i => _specs[i])]) : null;
        return new BackendSet(backends, isBeginning ? backends : [.. candidates.Select(Backend)], candidates.Count, maglev);
    }

    private Backend Backend(int i) => new(_ids[i], _specs[i].Address, _specs[i].Port, _specs[i].State);

    /// <summary>Cilium takes out those that are on a known other node of the own cluster; of other clusters' it knows no node.</summary>
    private bool MayBeLocal(BackendSpec backend) => backend.Node.Length == 0 || backend.Node == _local.Name || backend.Cluster != _local.Cluster;

    /// <summary>Those whose hints name the node's zone; all when one has no hint or none names it.</summary>
    private List<int> Near(List<int> members)
    {
        if (!_service.UsesTopology || !_local.LoadBalancer.HasServiceTopology || _local.Zone.Length == 0 || members.Exists(i => _specs[i].ForZones.Length == 0))
        {
            return members;
        }

        List<int> near = members.FindAll(i => _specs[i].ForZones.Split(',').Contains(_local.Zone));
        return near.Count > 0 ? near : members;
    }

    /// <summary>Active and preferred ones if there are enough, else active ones, else those that go and still serve.</summary>
    private List<int> Candidates(List<int> members)
    {
        List<int> active = members.FindAll(i => _specs[i].State == BackendState.Active);
        List<int> preferred = active.FindAll(i => _service.IsPreferred(_specs[i], _local.Cluster));
        return preferred.Count >= (_service.Affinity == ClusterAffinity.Local ? _service.LeastLocalBackends : 1) ? preferred
            : active.Count > 0 ? active
            : members.FindAll(i => _specs[i].State == BackendState.Terminating);
    }
}
