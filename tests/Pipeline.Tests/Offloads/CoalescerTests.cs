using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Offloads;

/// <summary>Coalescing against its naive twin, and back again: cut, a super-packet is the frames that it was made of.</summary>
public sealed class CoalescerTests
{
    private const int BurstCount = 500;
    private const int TcpChecksumOffset = 16;

    [Fact]
    public void Groups_are_those_of_the_naive_twin_and_cut_back_to_the_same_frames()
    {
        var bench = new CoalescingBench();
        int joined = 0;
        for (int seed = 0; seed < BurstCount; seed++)
        {
            var random = new Random(seed);
            BulkPacket[] burst = BulkSample.Burst(random, hasOdd: true);
            bool[] isDamaged = [.. burst.Select(_ => random.Next(100) == 0)];
            byte[][] sent = [.. burst.Select((p, i) => Damaged(random.Next(5) == 0 && !isDamaged[i] ? p.Partial() : p.Complete(), isDamaged[i]))];
            List<CoalescedPacket> got = bench.Run(sent);
            List<List<int>> wanted = NaiveCoalescer.Groups(burst, i => isDamaged[i]);
            Assert.True(wanted.Count == got.Count, $"seed {seed}: {got.Count} packets, wanted {wanted.Count}:\n{string.Join("\n", burst.Select(p => p.ToString()))}");
            for (int i = 0; i < wanted.Count; i++)
            {
                Assert.True(wanted[i].SequenceEqual(got[i].Slots), $"seed {seed}: joined {string.Join(",", got[i].Slots)}, wanted {string.Join(",", wanted[i])}:\n{string.Join("\n", wanted[i].Select(s => burst[s].ToString()))}");
                if (wanted[i].Count == 1)
                {
                    Assert.Equal(sent[wanted[i][0]], got[i].Packet);
                    continue;
                }

                joined += wanted[i].Count;
                AssertSuperPacket(seed, [.. wanted[i].Select(s => burst[s])], got[i].Packet);
            }
        }

        Assert.InRange(joined, BurstCount, int.MaxValue);
    }

    [Fact]
    public void Ids_that_stay_the_same_count_afterwards()
    {
        var bench = new CoalescingBench();
        BulkPacket first = new() { Family = Family.Ipv4, Id = 0, Payload = new byte[100] };
        BulkPacket second = first.Next(new byte[100]) with { Id = 0 };
        BulkPacket third = second.Next(new byte[100]) with { Id = 0 };
        byte[] got = Assert.Single(bench.Run([first.Complete(), second.Complete(), third.Complete()])).Packet;
        Assert.Equal(
            [first.Complete(), (second with { Id = 1 }).Complete(), (third with { Id = 2 }).Complete()], SegmenterTests.Segments(got, TapOffloads.None));

        // Neither may begin where the other has.
        Assert.Equal(2, bench.Run([first.Complete(), second.Complete(), (third with { Id = 2 }).Complete()]).Count);
        Assert.Equal(2, bench.Run([first.Complete(), (second with { Id = 1 }).Complete(), (third with { Id = 0 }).Complete()]).Count);
        Assert.Equal(2, bench.Run([(first with { IsDontFragment = false }).Complete(), (second with { IsDontFragment = false }).Complete()]).Count);
    }

    /// <summary>Found by fuzzing: the sum over the pseudo-header, when it is wrong, was handed on to what was joined.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_wrong_checksum_that_is_left_to_the_device_spoils_no_complete_frame(bool isFirst)
    {
        BulkPacket first = new() { Family = Family.Ipv4, Payload = new byte[100] };
        BulkPacket second = first.Next(new byte[100]);
        byte[] wrong = (isFirst ? first : second).Partial();
        wrong[VirtioNetHeader.Length + first.TransportOffset + TcpChecksumOffset] ^= 0x55;
        byte[] got = Assert.Single(new CoalescingBench().Run(isFirst ? [wrong, second.Complete()] : [first.Complete(), wrong])).Packet;
        List<byte[]> pieces = SegmenterTests.Segments(got, TapOffloads.None);
        Assert.Equal((isFirst ? second : first).Complete(), pieces[isFirst ? 1 : 0]);
    }

    public static TheoryData<string> Between =>
        ["pure ACK", "SYN", "super-packet", "UDP without checksum", "IP options", "fragment", "other checksum start"];

    /// <summary>What cannot be joined stays between what came before it and what comes after: nothing of a flow is overtaken.</summary>
    [Theory]
    [MemberData(nameof(Between))]
    public void Nothing_is_joined_past_a_frame_of_its_flow(string what)
    {
        BulkPacket first = new() { Family = Family.Ipv4, IsTcp = what != "UDP without checksum", Payload = new byte[100] };
        BulkPacket second = first.Next(new byte[100]);
        byte[] between = what switch
        {
            "pure ACK" => (first with { Payload = [] }).Complete(),
            "SYN" => (first with { Flags = TcpFlags.Syn }).Complete(),
            "super-packet" => (first with { Payload = new byte[300] }).Partial(100),
            "IP options" => (first with { IpOptions = [1, 1, 1, 1] }).Complete(),
            _ => first.Complete(),
        };
        switch (what)
        {
            case "UDP without checksum":
                between.AsSpan(VirtioNetHeader.Length + first.TransportOffset + 6, 2).Clear();
                break;
            case "fragment":
                between[VirtioNetHeader.Length + 14 + 6] = 0x20;
                break;
            case "other checksum start":
                new VirtioNetHeader(VirtioNetFlags.NeedsChecksum, VirtioGsoType.None, 0, 0, 14, 16).WriteTo(between);
                break;
        }

        var bench = new CoalescingBench();
        Assert.Single(bench.Run([first.Complete(), second.Complete()]));
        Assert.Equal(3, bench.Run([first.Complete(), between, second.Complete()]).Count);
    }

    [Fact]
    public void Ports_bursts_and_full_buffers_part()
    {
        BulkPacket first = new() { Family = Family.Ipv6, Payload = new byte[1000] };
        BulkPacket second = first.Next(new byte[1000]);
        byte[][] both = [first.Complete(), second.Complete()];
        var bench = new CoalescingBench();
        Assert.Single(bench.Run(both));
        Assert.Equal(2, bench.Run(both, portOf: i => i).Count);
        Assert.Equal(2, bench.Run(both, beginAt: 1).Count);
        Assert.Single(bench.Run(both, room: first.HeadersLength + 2000));
        Assert.Equal(2, bench.Run(both, room: first.HeadersLength + 1999).Count);
    }

    /// <summary>Whatever comes, no exception, and what was not joined is as it was.</summary>
    [Fact]
    public void Mutilated_frames_do_no_harm()
    {
        var bench = new CoalescingBench();
        for (int seed = 0; seed < BurstCount; seed++)
        {
            var random = new Random(seed);
            byte[][] sent = [.. BulkSample.Burst(random, hasOdd: true).Select(p => p.Complete())];
            for (int i = random.Next(30); i >= 0; i--)
            {
                ref byte[] one = ref sent[random.Next(sent.Length)];
                one[random.Next(Math.Min(one.Length, 90))] = (byte)random.Next(256);
                one = random.Next(4) == 0 ? one[..random.Next(VirtioNetHeader.Length, one.Length)] : one;
            }

            foreach (CoalescedPacket packet in bench.Run(sent).Where(p => p.Slots.Count == 1))
            {
                Assert.Equal(sent[packet.Slots[0]], packet.Packet);
            }
        }
    }

    private static void AssertSuperPacket(int seed, BulkPacket[] members, byte[] packet)
    {
        BulkPacket whole = members[0] with
        {
            Payload = [.. members.SelectMany(m => m.Payload)],
            Flags = members[0].Flags | members[^1].Flags,
        };
        string difference = FrameText.Difference(packet.AsSpan(VirtioNetHeader.Length), whole.Partial(members[0].Payload.Length).AsSpan(VirtioNetHeader.Length));
        Assert.True(difference.Length == 0, $"seed {seed}, {whole}: {difference}");
        Assert.Equal(VirtioNetHeader.Read(whole.Partial(members[0].Payload.Length)), VirtioNetHeader.Read(packet));

        // Ids that stay the same begin to count; all else is what it was.
        List<byte[]> cut = SegmenterTests.Segments(packet, TapOffloads.None);
        Assert.Equal(members.Length, cut.Count);
        for (int i = 0; i < cut.Count; i++)
        {
            BulkPacket member = members[i] with { Id = (ushort)(members[0].Id + i) };
            string parted = FrameText.Difference(cut[i], member.Complete());
            Assert.True(parted.Length == 0, $"seed {seed}, member {i} of {whole}: {parted}");
        }
    }

    private static byte[] Damaged(byte[] packet, bool isDamaged)
    {
        packet[^1] ^= (byte)(isDamaged ? 0x10 : 0);
        return packet;
    }
}
