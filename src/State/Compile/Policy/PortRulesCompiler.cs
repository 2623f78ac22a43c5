using System.Numerics;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile.Policy;

/// <summary>
/// The rules that hold for a class of peers -> ranges of ports with their decisions. A range is cut into port prefixes first, as Cilium keeps them:
/// of the rules that allow, the longest prefix counts, and of equal ones that which names its peers; a rule that denies counts before all of them.
/// </summary>
internal static class PortRulesCompiler
{
    /// <summary>Of a rule without protocol, and of one without port, in bits of Cilium's key: 8 for the protocol, 16 for the port.</summary>
    private const int NoProtocol = 0;
    private const int NoPort = 8;

    /// <param name="isOpen">What no rule names is allowed.</param>
    public static PortRules Compile(IReadOnlyList<MapRule> rules, bool isOpen)
    {
        var starts = new ushort[PortRules.Slots.Length][];
        var decisions = new PolicyDecision[PortRules.Slots.Length][];
        for (int slot = 0; slot < PortRules.Slots.Length; slot++)
        {
            List<Piece> pieces = [];
            foreach (MapRule rule in rules)
            {
                AddPieces(pieces, rule, PortRules.Slots[slot]);
            }

            (starts[slot], decisions[slot]) = Flatten(pieces, isOpen);
        }

        return new PortRules(starts, decisions);
    }

    private static void AddPieces(List<Piece> pieces, MapRule rule, IpProtocol protocol)
    {
        bool isNamed = rule.Peers is not null;
        if (rule.Ports is null)
        {
            pieces.Add(new Piece(0, ushort.MaxValue, NoProtocol, isNamed, rule.IsDeny));
            return;
        }

        foreach (PolicyPortSpec ports in rule.Ports)
        {
            if (ports.First is not ushort first)
            {
                if (ports.Covers(protocol, 0))
                {
                    pieces.Add(new Piece(0, ushort.MaxValue, NoPort, isNamed, rule.IsDeny));
                }
            }
            else if (ports.Covers(protocol, first))
            {
                // The longest aligned block that begins here and does not go beyond the end, again and again.
                for (int start = first; start <= ports.Last;)
                {
                    int bits = Math.Min(start == 0 ? 16 : BitOperations.TrailingZeroCount(start), BitOperations.Log2((uint)(ports.Last - start + 1)));
                    pieces.Add(new Piece(start, start + (1 << bits) - 1, NoPort + 16 - bits, isNamed, rule.IsDeny));
                    start += 1 << bits;
                }
            }
        }
    }

    /// <summary>Paints the range of each piece, those that count more over those that count less.</summary>
    private static (ushort[] Starts, PolicyDecision[] Decisions) Flatten(List<Piece> pieces, bool isOpen)
    {
        int[] bounds = [.. pieces.SelectMany(p => (int[])[p.First, p.Last + 1]).Append(0).Where(b => b <= ushort.MaxValue).Distinct().Order()];
        var painted = new PolicyDecision[bounds.Length];
        Array.Fill(painted, isOpen ? new PolicyDecision(PolicyDecisionKind.Allow, PolicyMatch.All) : new PolicyDecision(PolicyDecisionKind.DefaultDeny, PolicyMatch.None));
        foreach (Piece piece in pieces.OrderBy(p => p.IsDeny).ThenBy(p => p.Length).ThenBy(p => p.IsNamed))
        {
            var decision = new PolicyDecision(piece.IsDeny ? PolicyDecisionKind.Deny : PolicyDecisionKind.Allow, piece.Match);
            int first = Array.BinarySearch(bounds, piece.First);
            for (int i = first; i < bounds.Length && bounds[i] <= piece.Last; i++)
            {
                painted[i] = decision;
            }
        }

        int[] kept = [.. Enumerable.Range(0, bounds.Length).Where(i => i == 0 || painted[i] != painted[i - 1])];
        return ([.. kept.Select(i => (ushort)bounds[i])], [.. kept.Select(i => painted[i])]);
    }

    private readonly record struct Piece(int First, int Last, int Length, bool IsNamed, bool IsDeny)
    {
        public PolicyMatch Match => (Length, IsNamed) switch
        {
            (NoProtocol, true) => PolicyMatch.L3Only,
            (NoProtocol, false) => PolicyMatch.All,
            (NoPort, true) => PolicyMatch.L3Proto,
            (NoPort, false) => PolicyMatch.ProtoOnly,
            (_, true) => PolicyMatch.L3L4,
            _ => PolicyMatch.L4Only,
        };
    }
}
