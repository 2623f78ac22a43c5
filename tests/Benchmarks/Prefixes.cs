using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>A million IPv4 prefixes with the lengths of an internet routing table; addresses are even, which is harder than reality.</summary>
internal static class Prefixes
{
    private static readonly (int Length, int PerMille)[] s_shares =
    [
        (24, 600), (22, 105), (23, 85), (21, 50), (20, 45), (32, 40), (19, 25), (18, 14), (16, 14), (17, 9), (28, 5), (30, 2), (15, 2), (14, 2), (13, 1), (12, 1),
    ];

    public static IpPrefix[] Internet(int count, int seed)
    {
        var random = new Random(seed);
        var prefixes = new HashSet<IpPrefix>(count);
        while (prefixes.Count < count)
        {
            int dice = random.Next(1000);
            int i = 0;
            while ((dice -= s_shares[i].PerMille) >= 0)
            {
                i++;
            }

            prefixes.Add(IpPrefix.Containing(IpAddress.FromIpv4((uint)random.NextInt64(0x0100_0000, 0xE000_0000)), s_shares[i].Length));
        }

        return [.. prefixes];
    }
}
