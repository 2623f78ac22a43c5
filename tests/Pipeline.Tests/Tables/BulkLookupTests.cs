using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>Looking many up at once finds what looking each up finds.</summary>
public sealed class BulkLookupTests
{
    private const int RoundCount = 3000;

    public static TheoryData<int> Seeds => [201, 202, 203];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Prefixes(int seed)
    {
        var sample = new PrefixSample(seed);
        var table = new PrefixTable();
        var held = new List<IpPrefix>();
        Span<IpAddress> addresses = stackalloc IpAddress[Burst.MaxCount];
        Span<int> found = stackalloc int[Burst.MaxCount];
        for (int round = 0; round < RoundCount; round++)
        {
            held.Add(sample.Prefix());
            table.Set(held[^1], round);
            if (sample.Next(4) == 0)
            {
                table.Remove(held[sample.Next(held.Count)]);
            }

            PrefixMap map = table.Publish();
            int count = sample.Next(Burst.MaxCount + 1);
            for (int i = 0; i < count; i++)
            {
                addresses[i] = sample.AddressNear(held[sample.Next(held.Count)]);
            }

            map.Lookup(addresses[..count], found);
            for (int i = 0; i < count; i++)
            {
                map.TryLookup(addresses[i], out int wanted);
                Assert.True(wanted == found[i], $"seed {seed} round {round}: {addresses[i]}: {found[i]} and not {wanted}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Flows(int seed)
    {
        const int KeyCount = 200;
        var random = new Random(seed);
        var table = new ConntrackTable(KeyCount, (ulong)seed);
        Span<FlowKey> keys = stackalloc FlowKey[Burst.MaxCount];
        Span<int> found = stackalloc int[Burst.MaxCount];
        for (int round = 0; round < RoundCount; round++)
        {
            int created = table.Create(Key(random.Next(KeyCount)));
            table[created].Expires = (uint)random.Next(100);
            if (random.Next(3) == 0)
            {
                table.Remove(created);
            }

            MonoTime now = MonoTime.FromSeconds(random.Next(100));
            int count = random.Next(Burst.MaxCount + 1);
            for (int i = 0; i < count; i++)
            {
                keys[i] = Key(random.Next(KeyCount));
            }

            table.Find(keys[..count], found, now);
            for (int i = 0; i < count; i++)
            {
                Assert.True(table.Find(keys[i], now) == found[i], $"seed {seed} round {round}: {keys[i]}");
            }
        }
    }

    private static FlowKey Key(int number) =>
        new(IpAddress.FromIpv4(0x0A00_0000u + (uint)(number & 7)), IpAddress.FromIpv4(0x0B00_0000), (ushort)number, 80, IpProtocol.Tcp);
}
