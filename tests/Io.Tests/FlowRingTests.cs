using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>The ring of flow records: one writer that looks at nobody, readers that know what they have missed.</summary>
public sealed class FlowRingTests
{
    [Fact]
    public void A_reader_gets_what_comes_after_it_came_in_order()
    {
        using FlowRing ring = new(3);
        Write(ring, 0, 10);
        using FlowRingReader reader = new(ring.File);
        FlowRecord[] batch = new FlowRecord[64];
        Assert.Equal(0, reader.Read(batch));
        Write(ring, 10, 100);
        List<long> times = [];
        for (int count; (count = reader.Read(batch)) > 0;)
        {
            times.AddRange(batch.AsSpan(0, count).ToArray().Select(r => r.Time));
        }

        Assert.Equal(Enumerable.Range(10, 90).Select(i => (long)i), times);
        Assert.Equal(0ul, reader.LostCount);
    }

    [Fact]
    public void Who_is_overtaken_gets_the_newest_and_the_number_of_what_it_missed()
    {
        using FlowRing ring = new(0);
        using FlowRingReader slow = new(ring.File);
        using FlowRingReader other = new(ring.File);
        FlowRecord[] batch = new FlowRecord[FlowRing.Capacity];
        int total = FlowRing.Capacity + 1000;
        for (int i = 0; i < total; i += 100)
        {
            Write(ring, i, Math.Min(total, i + 100));
            Assert.Equal(Math.Min(total, i + 100) - i, other.Read(batch));
        }

        int count = slow.Read(batch);
        Assert.Equal(FlowRing.Capacity, count);
        Assert.Equal((1000ul, 1000L, (long)total - 1), (slow.LostCount, batch[0].Time, batch[count - 1].Time));
        Assert.Equal(0ul, other.LostCount);
    }

    [Fact]
    public void What_the_worker_had_no_room_for_counts_from_when_the_reader_came()
    {
        using FlowRing ring = new(0);
        ring.Append(Records(0, 1), lostCount: 5);
        using FlowRingReader reader = new(ring.File);
        ring.Append(Records(1, 2), lostCount: 12);
        Assert.Equal(7ul, reader.LostCount);
    }

    [Fact]
    public void A_reader_cannot_write_and_what_is_no_ring_is_refused()
    {
        using FlowRing ring = new(0);
        using FileDescriptor readable = SharedFile.OpenReadable(ring.File);
        Assert.Throws<DeviceException>(() => MappedMemory.OfFile(readable, 0, FlowRing.Length));
        using FlowRingReader reader = new(readable);
        using FileDescriptor other = SharedFile.Create("no-ring", FlowRing.Length);
        Assert.Contains("of version 0", Assert.Throws<DeviceException>(() => new FlowRingReader(other)).Message);
        using FileDescriptor small = SharedFile.Create("small", 100);
        Assert.Contains("no ring of flow records", Assert.Throws<DeviceException>(() => new FlowRingReader(small)).Message);
    }

    /// <summary>Each record bears one number in all its fields: a torn one would differ within itself.</summary>
    [Fact]
    public void No_reader_beside_a_writer_in_full_flight_sees_a_torn_record()
    {
        using FlowRing ring = new(0);
        using FlowRingReader reader = new(ring.File);
        const long Total = 3_000_000;
        Thread writer = new(() =>
        {
            FlowRecord[] burst = new FlowRecord[32];
            for (long i = 0; i < Total; i += burst.Length)
            {
                for (int n = 0; n < burst.Length; n++)
                {
                    burst[n] = Whole(i + n);
                }

                ring.Append(burst, 0);
            }
        });
        FlowRecord[] batch = new FlowRecord[4096];
        writer.Start();
        long expected = 0;
        long seen = 0;
        while (expected < Total)
        {
            int count = reader.Read(batch);
            for (int i = 0; i < count; i++)
            {
                Assert.True(batch[i].Time >= expected, $"{batch[i].Time} came behind {expected - 1}");
                Assert.Equal(Whole(batch[i].Time), batch[i]);
                expected = batch[i].Time + 1;
            }

            seen += count;
        }

        writer.Join();
        Assert.Equal((ulong)(Total - seen), reader.LostCount);
    }

    private static FlowRecord Whole(long number) => new()
    {
        Time = number,
        Source = new((ulong)number, ~(ulong)number),
        Destination = new(~(ulong)number, (ulong)number),
        TranslatedSource = new((ulong)number, (ulong)number),
        TraceId = (ulong)number,
        SourceIdentity = (uint)number,
        PacketLength = ~(uint)number,
        TraceReason = (FlowTraceReason)(byte)number,
    };

    private static FlowRecord[] Records(int from, int to) => [.. Enumerable.Range(from, to - from).Select(i => new FlowRecord { Time = i })];

    private static void Write(FlowRing ring, int from, int to)
    {
        foreach (FlowRecord[] some in Records(from, to).Chunk(64))
        {
            ring.Append(some, 0);
        }
    }
}
