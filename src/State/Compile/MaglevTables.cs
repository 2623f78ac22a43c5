using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// The node's Maglev tables. Filled where the configuration is written, never on a worker; one that would come out as it was is taken again, so
/// that a change of anything but a service's candidates costs no table.
/// </summary>
internal sealed class MaglevTables(LoadBalancerSpec options)
{
    private readonly Dictionary<string, List<Known>> _known = [];

    /// <param name="candidates">In slot order.</param>
    public MaglevTable For(ServiceSpec service, BackendSpec[] candidates)
    {
        string[] texts = TextsOf(candidates, service.Protocol);
        ushort[] weights = Array.ConvertAll(candidates, c => c.Weight);
        if (!_known.TryGetValue(service.Name, out List<Known>? known))
        {
            _known[service.Name] = known = [];
        }

        int found = known.FindIndex(k => k.Texts.SequenceEqual(texts) && k.Weights.SequenceEqual(weights));
        if (found < 0)
        {
            found = known.Count;
            known.Add(new Known(texts, weights, Fill(texts, weights, options.MaglevTableSize, options.MaglevSeed)));
        }

        known[found].IsUsed = true;
        return known[found].Table;
    }

    /// <summary>A table of any size, kept by nobody.</summary>
    public static MaglevTable Fill(BackendSpec[] candidates, IpProtocol protocol, int size, MaglevSeed seed) =>
        Fill(TextsOf(candidates, protocol), Array.ConvertAll(candidates, c => c.Weight), size, seed);

    /// <summary>Forgets what the service, as it was compiled now, does not use.</summary>
    public void EndService(string service)
    {
        if (!_known.TryGetValue(service, out List<Known>? known))
        {
            return;
        }

        known.RemoveAll(k => !k.IsUsed);
        known.ForEach(k => k.IsUsed = false);
        if (known.Count == 0)
        {
            _known.Remove(service);
        }
    }

    private static MaglevTable Fill(string[] texts, ushort[] weights, int size, MaglevSeed seed) => new(MaglevPopulation.Fill(texts, weights, size, seed.Permutation), seed);

    private static string[] TextsOf(BackendSpec[] candidates, IpProtocol protocol) => Array.ConvertAll(candidates, c => MaglevPopulation.TextOf(c, protocol));

    private sealed class Known(string[] texts, ushort[] weights, MaglevTable table)
    {
        public string[] Texts => texts;

        public ushort[] Weights => weights;

        public MaglevTable Table => table;

        public bool IsUsed { get; set; }
    }
}
