using System.Text;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// Fills a Maglev table (Eisenbud et al., NSDI 2016, section 3.4) bit for bit as Cilium does (pkg/maglev): the order of backends is that of their
/// texts, and turns go by weight in the manner of Envoy. Places are walked, not listed beforehand: memory is the table and a few words a backend.
/// </summary>
internal static class MaglevPopulation
{
    private const ushort Free = ushort.MaxValue;

    /// <summary>The text that stands for a backend: [10.0.0.7:8080/TCP,State:active].</summary>
    public static string TextOf(BackendSpec backend, IpProtocol protocol) =>
        $"[{ServiceNames.Of(backend.Address, backend.Port, protocol)},State:{ServiceNames.Of(backend.State)}]";

    /// <param name="texts">Of the candidates, at most 65,535.</param>
    /// <param name="weights">Of the same.</param>
    /// <param name="size">A prime.</param>
    /// <returns>The number of a candidate for each entry.</returns>
    public static ushort[] Fill(IReadOnlyList<string> texts, IReadOnlyList<ushort> weights, int size, uint seed)
    {
        int[] order = [.. Enumerable.Range(0, texts.Count).OrderBy(i => texts[i], StringComparer.Ordinal)];
        var places = new int[order.Length];
        var skips = new int[order.Length];
        for (int i = 0; i < order.Length; i++)
        {
            (ulong high, ulong low) = MurmurHash.Of(Encoding.ASCII.GetBytes(texts[order[i]]), seed);
            places[i] = (int)(high % (ulong)size);
            skips[i] = (int)(low % (ulong)(size - 1)) + 1;
        }

        var entries = new ushort[size];
        Array.Fill(entries, Free);
        Turns turns = new([.. order.Select(i => weights[i])]);
        for (int n = 0; n < size; n++)
        {
            int turn = turns.Next(n);
            int place = places[turn];
            while (entries[place] != Free)
            {
                place = After(place, skips[turn], size);
            }

            entries[place] = (ushort)order[turn];
            places[turn] = After(place, skips[turn], size);
        }

        return entries;
    }

    private static int After(int place, int skip, int size) => place + skip < size ? place + skip : place + skip - size;

    /// <summary>Whose turn it is: each in order, or by weights where they differ and are more than 1 on average.</summary>
    private sealed class Turns
    {
        private readonly ushort[] _weights;
        private readonly double[] _counters;
        private readonly ulong _sum;
        private readonly bool _isWeighted;

        public Turns(ushort[] weights)
        {
            _weights = weights;
            foreach (ushort weight in weights)
            {
                _sum += weight;
            }

            // Of equal weights everybody's turn is taken, so they need no counting.
            _isWeighted = _sum / (ulong)weights.Length > 1 && Array.Exists(weights, w => w != weights[0]);
            _counters = _isWeighted ? [.. weights.Select(w => (double)w / weights.Length)] : [];
        }

        public int Next(int n)
        {
            int turn = n % _weights.Length;
            if (!_isWeighted)
            {
                return turn;
            }

            while ((ulong)(n + 1) * _weights[turn] < (ulong)_counters[turn])
            {
                turn = turn + 1 == _weights.Length ? 0 : turn + 1;
            }

            _counters[turn] += _sum;
            return turn;
        }
    }
}
