using System.Numerics;

namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>The hash of a flow: even over ordinary keys, and not to be steered by a sender who does not know the seed.</summary>
public sealed class FlowKeyTests
{
    private const int KeyCount = 1 << 16;

    [Fact]
    public void Reversed_is_the_other_direction()
    {
        var key = new FlowKey(IpAddress.Parse("10.0.0.1"), IpAddress.Parse("10.0.0.2"), 1, 2, IpProtocol.Tcp, FlowScope.Service);
        Assert.Equal(new FlowKey(key.Destination, key.Source, 2, 1, IpProtocol.Tcp, FlowScope.Service), key.Reversed);
        Assert.Equal(key, key.Reversed.Reversed);
        Assert.NotEqual(key.Hash(1), key.Reversed.Hash(1));
    }

    [Fact]
    public void Every_bit_of_a_key_and_the_seed_moves_half_of_the_hash()
    {
        var random = new Random(401);
        var flips = new double[6];
        const int RoundCount = 2000;
        for (int i = 0; i < RoundCount; i++)
        {
            var key = new FlowKey(Random(random), Random(random), (ushort)random.Next(65536), (ushort)random.Next(65536), IpProtocol.Tcp);
            ulong seed = (ulong)random.NextInt64();
            ulong hash = key.Hash(seed);
            FlowKey[] changed =
            [
                key with { Source = new IpAddress(key.Source.High ^ 1ul << random.Next(64), key.Source.Low) },
                key with { Source = new IpAddress(key.Source.High, key.Source.Low ^ 1ul << random.Next(64)) },
                key with { Destination = new IpAddress(key.Destination.High, key.Destination.Low ^ 1ul << random.Next(64)) },
                key with { SourcePort = (ushort)(key.SourcePort ^ 1 << random.Next(16)) },
                key with { DestinationPort = (ushort)(key.DestinationPort ^ 1 << random.Next(16)) },
            ];
            for (int j = 0; j < changed.Length; j++)
            {
                flips[j] += BitOperations.PopCount(hash ^ changed[j].Hash(seed));
            }

            flips[5] += BitOperations.PopCount(hash ^ key.Hash(seed ^ 1ul << random.Next(64)));
        }

        Assert.All(flips, f => Assert.InRange(f / RoundCount, 28, 36));
    }

    [Fact]
    public void Neighbouring_flows_fill_buckets_evenly()
    {
        foreach (bool isIpv4 in (bool[])[true, false])
        {
            var counts = new int[256];
            for (int i = 0; i < KeyCount; i++)
            {
                IpAddress source = isIpv4 ? IpAddress.FromIpv4(0x0A00_0000u + (uint)(i >> 8)) : new IpAddress(0xFD00_0000_0000_0000, (ulong)(i >> 8));
                counts[new FlowKey(source, IpAddress.Parse(isIpv4 ? "10.0.0.1" : "fd00::1"), (ushort)(32768 + (i & 255)), 80, IpProtocol.Tcp).Hash(7) >> 56]++;
            }

            // 256 a bucket; six standard deviations are 96.
            Assert.All(counts, c => Assert.InRange(c, 256 - 96, 256 + 96));
        }
    }

    /// <summary>A pod chooses the destinations it sends to. No choice of one half of an address may make the other half count for nothing.</summary>
    [Fact]
    public void No_half_of_an_address_hides_the_other()
    {
        ulong[] suspects = [0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0, ulong.MaxValue];
        foreach (ulong half in suspects)
        {
            foreach (ulong seed in (ulong[])[0x1234_5678_9ABC_DEF0, 77])
            {
                IpAddress other = IpAddress.Parse("fd00::1");
                IEnumerable<ulong> hashes = Enumerable.Range(1, 1000).SelectMany(i => (FlowKey[])
                [
                    new(other, new IpAddress((ulong)i << 40, half), 1, 2, IpProtocol.Tcp),
                    new(other, new IpAddress(half, (ulong)i << 40), 1, 2, IpProtocol.Tcp),
                    new(new IpAddress((ulong)i << 40, half), other, 1, 2, IpProtocol.Tcp),
                    new(new IpAddress(half, (ulong)i << 40), other, 1, 2, IpProtocol.Tcp),
                ]).Select(k => k.Hash(seed));
                Assert.True(hashes.Distinct().Count() >= 3990, $"half {half:x} under seed {seed:x}: {hashes.Distinct().Count()} hashes of 4000 keys");
            }
        }
    }

    private static IpAddress Random(Random random) => new((ulong)random.NextInt64(), (ulong)random.NextInt64());
}
