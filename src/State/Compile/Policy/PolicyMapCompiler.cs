using System.Numerics;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// One direction of one kind of endpoints: puts the identities that the same rules mean into one class, and gives each class its ports. An identity
/// that comes, goes or changes moves by itself.
/// </summary>
/// <remarks>Sets of rules are paths in a tree: a set is the node that its rules, in their order, lead to. Equal sets are one node without comparing.</remarks>
internal sealed class PolicyMapCompiler
{
    private const int Root = 0;

    /// <summary>Classes that nobody may be of any more, before all are made anew.</summary>
    private const int MostStale = 4_096;

    /// <summary>Identities of a page, about.</summary>
    private const int PageLoad = 8;

    private readonly MapRule[] _rules;
    private readonly bool _isOpen;
    private readonly List<(int Parent, int Rule)> _nodes = [(-1, -1)];
    private readonly Dictionary<(int Node, int Rule), int> _children = [];
    private readonly Dictionary<int, uint> _classOfNode = [];
    private readonly List<PortRules> _classes = [];
    private Dictionary<uint, int> _nodeOf = [];
    private ulong[][] _pages = [];
    private PortRules[] _published = [];
    private int _classCountAtBuild;
    private PolicyMap? _map;

    public PolicyMapCompiler(IEnumerable<MapRule> rules, bool isOpen)
    {
        _rules = [.. rules];
        _isOpen = isOpen;
        Build();
    }

    /// <summary>The map as it is now; the same again when nothing has changed.</summary>
    public PolicyMap Map => _map ??= new PolicyMap(_pages, _published.Length == _classes.Count ? _published : _published = [.. _classes]);

    public int ClassCount => _classes.Count;

    public bool HasRules(IEnumerable<MapRule> rules, bool isOpen) => _isOpen == isOpen && _rules.SequenceEqual(rules, ReferenceEqualityComparer.Instance);

    /// <summary>Takes up what the peers' sets say of these identities now.</summary>
    public void Update(IReadOnlyCollection<uint> identities)
    {
        bool isCopied = false;
        foreach (uint identity in identities)
        {
            int node = NodeOf(identity);
            int before = _nodeOf.GetValueOrDefault(identity, Root);
            if (node == before)
            {
                continue;
            }

            if (node == Root)
            {
                _nodeOf.Remove(identity);
            }
            else
            {
                _nodeOf[identity] = node;
            }

            if (_nodeOf.Count > _pages.Length * PageLoad * 2 || _classes.Count > (_classCountAtBuild * 2) + MostStale)
            {
                Build();
                return;
            }

            // Published maps keep their pages: one list of them is copied a change, and of each page that changes a copy is made.
            _pages = isCopied ? _pages : [.. _pages];
            isCopied = true;
            _map = null;
            ref ulong[] page = ref _pages[PolicyMap.PageOf(identity, _pages.Length)];
            ulong[] others = Array.FindAll(page, e => (uint)(e >> 32) != identity);
            page = node == Root ? others : [.. others, (ulong)identity << 32 | ClassOf(node)];
        }
    }

    private void Build()
    {
        _nodes.RemoveRange(1, _nodes.Count - 1);
        _children.Clear();
        _classOfNode.Clear();
        _classes.Clear();
        _nodeOf = [];
        ClassOf(Root);
        for (int rule = 0; rule < _rules.Length; rule++)
        {
            foreach (PeerSet peers in _rules[rule].Peers ?? [])
            {
                foreach (uint identity in peers.Members)
                {
                    int node = _nodeOf.GetValueOrDefault(identity, Root);
                    if (_nodes[node].Rule != rule)
                    {
                        _nodeOf[identity] = Child(node, rule);
                    }
                }
            }
        }

        var pages = new List<ulong>[BitOperations.RoundUpToPowerOf2((uint)Math.Max(1, _nodeOf.Count / PageLoad))];
        foreach ((uint identity, int node) in _nodeOf)
        {
            (pages[PolicyMap.PageOf(identity, pages.Length)] ??= []).Add((ulong)identity << 32 | ClassOf(node));
        }

        _pages = [.. pages.Select(p => p is null ? [] : p.ToArray())];
        _published = [.. _classes];
        _classCountAtBuild = _classes.Count;
        _map = null;
    }

    private int NodeOf(uint identity)
    {
        int node = Root;
        for (int rule = 0; rule < _rules.Length; rule++)
        {
            if (_rules[rule].Peers is not null && _rules[rule].Means(identity))
            {
                node = Child(node, rule);
            }
        }

        return node;
    }

    private int Child(int node, int rule)
    {
        if (!_children.TryGetValue((node, rule), out int child))
        {
            child = _nodes.Count;
            _nodes.Add((node, rule));
            _children.Add((node, rule), child);
        }

        return child;
    }

    private uint ClassOf(int node)
    {
        if (!_classOfNode.TryGetValue(node, out uint number))
        {
            List<MapRule> rules = [.. _rules.Where(r => r.Peers is null)];
            for (int at = node; at != Root; at = _nodes[at].Parent)
            {
                rules.Add(_rules[_nodes[at].Rule]);
            }

            number = (uint)_classes.Count;
            _classes.Add(PortRulesCompiler.Compile(rules, _isOpen));
            _classOfNode.Add(node, number);
        }

        return number;
    }
}
