using System.Buffers.Binary;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>Engines that share ports: what comes in at one is sent by another, from the buffer that it came in.</summary>
public sealed class WorkerEnginesTests
{
    private const int RoundCount = 60;
    private static readonly SpinPolicy s_spin = new(0);

    public static TheoryData<EngineKind, int> Engines => new()
    {
        { EngineKind.Ring, 2 },
        { EngineKind.Readiness, 2 },
        { EngineKind.Ring, 3 },
        { EngineKind.Readiness, 3 },
    };

    /// <summary>Every frame makes its way by all engines but the one it came in at, and is copied but for the first of these ways.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public void Frames_leave_by_another_engine_whole_and_in_order(EngineKind kind, int engineCount)
    {
        using EngineWorld world = new(kind, engineCount);
        int left = world.AddPort();
        int right = world.AddPort();
        var links = (WorkerLinks[])[.. world.Engines.Select(e => e.Siblings!)];
        Array.ForEach(links, l => l.Ports = [Port(left), Port(right)]);
        Array.ForEach(world.Engines, e => e.Receive(0, s_spin)); // What is under way to a port takes a buffer.
        int[] free = [.. world.Engines.Select(e => e.FreeBufferCount)];
        var random = new Random(3);
        int number = 0;
        for (int round = 0; round < RoundCount; round++)
        {
            int count = 1 + random.Next(100);
            world.Send(left, number, count);
            PassAll(world, right, count);
            Assert.Equal(Enumerable.Range(number, count), world.ReadSent(right));
            number += count;
        }

        for (int i = 0; i < 3; i++)
        {
            Array.ForEach(world.Engines, e => e.Receive(0, s_spin));
        }

        Assert.All(world.Engines.Zip(free), e => Assert.InRange(e.First.FreeBufferCount, e.Second - 2, e.Second + 2));
    }

    private static Port Port(int id) => new(id, $"p{id}", PortKind.Uplink, default, default, [], 1500);

    private static void PassAll(EngineWorld world, int egress, int count)
    {
        int sent = 0;
        for (int turns = 0; sent < count; turns++)
        {
            Assert.True(turns < 10_000, $"{sent} of {count} frames came");
            for (int i = 0; i < world.Engines.Length; i++)
            {
                PortEngine engine = world.Engines[i];
                engine.Receive(0, s_spin);
                foreach (ref BurstFrame frame in engine.Burst.Frames)
                {
                    Span<byte> bytes = engine.Burst.BufferOf(frame.Buffer).Slice(frame.Start, frame.Length);
                    if (bytes.Length < 18 || BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]) != 0x88B5 || frame.IngressPort == egress)
                    {
                        frame.Verdict = Verdict.Drop;
                    }
                    else if ((int)frame.Note.Step == world.Engines.Length - 1)
                    {
                        frame.Verdict = Verdict.Transmit;
                        frame.EgressPort = egress;
                        sent++;
                    }
                    else
                    {
                        frame.Verdict = Verdict.HandedOver;
                        frame.Note = new SteeringNote(frame.Note.Step + 1, (byte)((i + 1) % world.Engines.Length));
                    }

                    engine.Complete(frame);
                }

                engine.Burst.Clear();
            }
        }

        for (int i = 0; i < 2; i++)
        {
            Array.ForEach(world.Engines, e => e.Flush());
            Array.ForEach(world.Engines, e => Settle(e));
        }
    }

    private static void Settle(PortEngine engine)
    {
        engine.Receive(0, s_spin);
        foreach (ref BurstFrame frame in engine.Burst.Frames)
        {
            engine.Complete(frame with { Verdict = Verdict.Drop });
        }

        engine.Burst.Clear();
    }
}
