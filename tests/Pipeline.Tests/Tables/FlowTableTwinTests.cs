using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Tables;

/// <summary>The flow tables against dictionaries, over random operations on few keys, so that every collision and every end is met.</summary>
public sealed class FlowTableTwinTests
{
    private const int StepCount = 200_000;

    public static TheoryData<int> Seeds => [101, 102, 103];

    /// <summary>Hashes with few distinct upper halves: long clusters, equal tags, wrapping round the end.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void FlowIndex(int seed)
    {
        const int Capacity = 60;
        var random = new Random(seed);
        var index = new FlowIndex(Capacity);
        var twin = new Dictionary<int, ulong>();
        for (int step = 0; step < StepCount; step++)
        {
            int entry = random.Next(Capacity);
            if (twin.Remove(entry, out ulong hash))
            {
                index.Remove(hash, entry);
            }
            else
            {
                hash = (ulong)(uint)(random.Next(12) * 0x1F00_0001) << 32 | (uint)random.Next();
                hash |= random.Next(4) == 0 ? 0xFFFF_FFF0_0000_0000 : 0;
                index.Add(hash, entry);
                twin[entry] = hash;
            }

            if (step % 10 == 0)
            {
                foreach (ulong tag in twin.Values.Select(h => h >> 32).Distinct())
                {
                    Assert.True(
                        Candidates(index, tag << 32).Order().SequenceEqual(twin.Where(p => p.Value >> 32 == tag).Select(p => p.Key).Order()), $"seed {seed} step {step}");
                }

                Assert.Empty(Candidates(index, 0xABCD_EF01_0000_0000));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void ConntrackTable(int seed)
    {
        const int Capacity = 64;
        var random = new Random(seed);
        var table = new ConntrackTable(Capacity, (ulong)seed);
        var twin = new Dictionary<FlowKey, (uint Packets, uint Expires)>();
        var generations = new HashSet<uint> { 0 };
        uint now = 10;
        for (int step = 0; step < StepCount; step++)
        {
            FlowKey key = RandomKey(random);
            string where = $"seed {seed} step {step}";
            switch (random.Next(10))
            {
                case < 4:
                    int created = table.Create(key);
                    bool hasRoom = twin.ContainsKey(key) || twin.Count < Capacity;
                    Assert.True(created >= 0 == hasRoom, where);
                    if (hasRoom)
                    {
                        Assert.Equal(new ConntrackEntry { Key = key, Flags = ConntrackFlags.Used, Generation = table[created].Generation }, table[created]);
                        Assert.True(generations.Add(table[created].Generation), where);
                        table[created].Packets = (uint)step + 10; // No flow that has only begun: those give way (FloodTests).
                        table[created].Flags |= ConntrackFlags.SeenNonSyn;
                        table[created].Expires = now + (uint)random.Next(1, 20);
                        twin[key] = ((uint)step + 10, table[created].Expires);
                    }

                    break;
                case 4:
                    int found = table.Find(key, At(now));
                    if (found >= 0)
                    {
                        table.Remove(found);
                        twin.Remove(key);
                    }

                    break;
                case 5 when random.Next(20) == 0:
                    now += (uint)random.Next(10);
                    Assert.True(table.Sweep(Capacity, At(now)) == twin.Count(p => p.Value.Expires <= now), where);
                    foreach (FlowKey dead in twin.Where(p => p.Value.Expires <= now).Select(p => p.Key).ToArray())
                    {
                        twin.Remove(dead);
                    }

                    break;
                default:
                    int index = table.Find(key, At(now));
                    bool isAlive = twin.TryGetValue(key, out (uint Packets, uint Expires) known) && known.Expires > now;
                    Assert.True(index >= 0 == isAlive, where);
                    Assert.True(index < 0 || (table[index].Key == key && table[index].Packets == known.Packets), where);
                    break;
            }

            Assert.True(table.Count == twin.Count, where);
        }
    }

    /// <summary>A mapping is found by both faces, no two share the face that the world sees, and ports lie where they may.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void SnatTable(int seed)
    {
        const int Capacity = 48;
        const ushort First = 100;
        const ushort Last = 112;
        var random = new Random(seed);
        var dice = new FlowRandom((ulong)seed);
        var table = new SnatTable(Capacity, (ulong)seed);
        var conntrack = new ConntrackTable(4096, (ulong)seed);
        IpAddress node = IpAddress.Parse("172.18.0.5");
        var byForward = new Dictionary<FlowKey, FlowKey>();
        var byTranslated = new Dictionary<FlowKey, FlowKey>();
        for (int step = 0; step < StepCount; step++)
        {
            string where = $"seed {seed} step {step}";
            FlowKey key = RandomKey(random) with { Scope = FlowScope.Flow };
            ref ConntrackEntry flow = ref conntrack[conntrack.Create(Pipeline.ConntrackTable.Ordered(key, out _))];
            flow.Expires = uint.MaxValue;
            flow.Flags |= ConntrackFlags.Snat;
            int index = table.FindForward(key);
            Assert.True(index >= 0 == byForward.ContainsKey(key), where);
            if (index >= 0 && random.Next(2) == 0)
            {
                byTranslated.Remove(byForward[key]);
                byForward.Remove(key);
                uint generation = flow.Generation;
                table.Remove(index, conntrack, At(1));
                Assert.NotEqual(generation, flow.Generation);
            }
            else if (index < 0)
            {
                index = table.Create(key, node, First, Last, conntrack, dice, At(1));
                bool isEcho = key.Protocol == IpProtocol.Icmp;
                int taken = byTranslated.Keys.Count(t => t.Destination == key.Destination && t.Protocol == key.Protocol && t.DestinationPort == key.DestinationPort);

                // 13 ports and 32 tries: only a range that is full, or the whole table, is refused.
                Assert.True(index >= 0 == (byForward.Count < Capacity && (isEcho || taken <= Last - First)), where);
                if (index >= 0)
                {
                    FlowKey translated = table[index].Translated;
                    Assert.True(translated.Source == node && translated.Destination == key.Destination, where);
                    Assert.True(isEcho || translated.SourcePort is >= First and <= Last, where);
                    Assert.True(isEcho || key.SourcePort < First || key.SourcePort > Last || taken > 0 || translated.SourcePort == key.SourcePort, where);
                    Assert.True(byTranslated.TryAdd(translated, key), where);
                    byForward[key] = translated;
                }
            }

            Assert.True(table.Count == byForward.Count, where);
            foreach ((FlowKey translated, FlowKey forward) in step % 50 == 0 ? byTranslated : [])
            {
                int reverse = table.FindReverse(translated.Reversed);
                Assert.True(reverse >= 0 && table[reverse].Forward == forward, where);
            }
        }
    }

    private static List<int> Candidates(FlowIndex index, ulong hash)
    {
        List<int> found = [];
        int slot = index.FirstSlot(hash);
        for (int entry = index.NextCandidate(hash, ref slot); entry >= 0; entry = index.NextCandidate(hash, ref slot))
        {
            found.Add(entry);
        }

        return found;
    }

    private static FlowKey RandomKey(Random random)
    {
        bool isEcho = random.Next(4) == 0;
        return new FlowKey(
            IpAddress.FromIpv4(0x0A00_0000 + (uint)random.Next(4)),
            IpAddress.FromIpv4(0x0B00_0000 + (uint)random.Next(3)),
            (ushort)(isEcho ? 0 : 90 + random.Next(20)),
            (ushort)(isEcho ? random.Next(6) : 80),
            isEcho ? IpProtocol.Icmp : IpProtocol.Tcp,
            random.Next(2) == 0 ? FlowScope.Flow : FlowScope.Service);
    }

    private static MonoTime At(uint seconds) => MonoTime.FromSeconds(seconds);
}
