using System.Diagnostics;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>
/// Flow events from a worker's ring into the agent's store: what a record costs the writer, and how many a second arrive without loss when they come
/// in bursts at a given rate for some seconds, written and read by a thread each.
/// </summary>
internal static class EventBenchmark
{
    private const int BurstLength = 32;
    private const int RunSeconds = 3;
    private static readonly int[] s_rates = [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000];

    public static void Run()
    {
        using FlowRing ring = new(0);
        FlowRecord[] burst = [.. Enumerable.Range(0, BurstLength).Select(i => new FlowRecord { SourcePort = (ushort)i, Kind = FlowEventKind.Trace, Verdict = FlowVerdict.Forwarded })];
        for (int i = 0; i < 200_000; i++)
        {
            ring.Append(burst, 0);
        }

        double[] times = Sample.Microseconds(9, _ =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                ring.Append(burst, 0);
            }
        });
        Console.WriteLine($"events: into the ring, bursts of {BurstLength}, per record: {Sample.Range(times, BurstLength * 10)} ns");
        Told();
        foreach (int rate in s_rates)
        {
            Drain(burst, rate);
        }
    }

    /// <summary>What a drop costs more while somebody listens: the record is made of the frame, which is read once more.</summary>
    private static void Told()
    {
        byte[] frame = Testing.TestPacket.Udp(Wire.IpAddress.Parse("10.0.1.105"), 40000, Wire.IpAddress.Parse("10.1.1.2"), 53).Frame(new(1), new(2));
        FlowEvents events = new(0);
        void Burst()
        {
            for (int i = 0; i < BurstLength; i++)
            {
                events.TellDrop(frame, 1, DropReason.NoBackend);
            }

            events.Clear();
        }

        for (int i = 0; i < 50_000; i++)
        {
            Burst();
        }

        double[] times = Sample.Microseconds(9, _ =>
        {
            for (int i = 0; i < 1_000; i++)
            {
                Burst();
            }
        });
        Console.WriteLine($"events: telling of a drop, per record: {Sample.Range(times, BurstLength)} ns");
    }

    private static void Drain(FlowRecord[] burst, int rate)
    {
        using FlowRing ring = new(0);
        using FlowRingReader reader = new(ring.File);
        FlowStore store = new();
        bool isOver = false;
        long stored = 0;
        double longest = 0;
        Thread collector = new(() =>
        {
            FlowRecord[] batch = new FlowRecord[4096];
            long last = Stopwatch.GetTimestamp();
            while (true)
            {
                bool wasOver = Volatile.Read(ref isOver);
                int count = reader.Read(batch);
                store.Add(batch.AsSpan(0, count));
                stored += count;
                longest = Math.Max(longest, Stopwatch.GetElapsedTime(last).TotalMilliseconds);
                last = Stopwatch.GetTimestamp();
                if (count == 0 && wasOver)
                {
                    return;
                }

                if (count < batch.Length)
                {
                    Thread.Sleep(10); // As the agent's collector does.
                }
            }
        });
        collector.Start();
        long written = 0;
        long start = Stopwatch.GetTimestamp();
        for (double elapsed; (elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds) < RunSeconds;)
        {
            if (written <= elapsed * rate)
            {
                ring.Append(burst, 0);
                written += burst.Length;
            }
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Volatile.Write(ref isOver, true);
        collector.Join();
        Console.WriteLine(string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"events: {written / seconds:N0}/s written for {RunSeconds} s, {stored:N0} stored, {reader.LostCount:N0} lost; the reader's longest pause {longest:0.0} ms of the {FlowRing.Capacity * 1000.0 / rate:0} that the ring lasts"));
    }
}
