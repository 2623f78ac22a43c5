using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>Source ranges against asking each prefix, over prefixes that lie in each other and side by side.</summary>
public sealed class SourceRangesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void As_each_prefix_says(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 300; round++)
        {
            bool isIpv4 = random.Next(2) == 0;
            IpPrefix[] prefixes = [.. Enumerable.Range(0, random.Next(6)).Select(_ => IpPrefix.Containing(Address(random, isIpv4), random.Next(4) == 0 ? random.Next(9) : isIpv4 ? random.Next(24, 33) : random.Next(120, 129)))];
            bool isDenied = random.Next(2) == 0;
            var ranges = new SourceRanges(prefixes, isDenied);
            for (int i = 0; i < 100; i++)
            {
                IpAddress address = Address(random, isIpv4);
                Assert.True(ranges.Admits(address) == (prefixes.Any(p => p.Contains(address)) != isDenied), $"seed {seed}: {address} in {string.Join(' ', prefixes)}");
            }
        }
    }

    private static IpAddress Address(Random random, bool isIpv4) => isIpv4
        ? IpAddress.FromIpv4((uint)(random.Next(3) << 24 | random.Next(40)))
        : new IpAddress((ulong)random.Next(3) << 56, (ulong)random.Next(3) << 62 | (uint)random.Next(40));
}
