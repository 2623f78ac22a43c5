using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Fuzz;

/// <summary>Makes hostile frames out of valid ones. Half of those that it hurts get their sums mended, so that they are let further in.</summary>
public sealed class FrameMutator(SeedFrame[] seeds, Random random)
{
    private static readonly ushort[] s_values = [0, 1, 7, 8, 20, 40, 0x3FFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF];
    private static readonly string[] s_ports = [TestNode.Curl, TestNode.Web1, TestNode.Web2, TestNode.Host, TestNode.Uplink];

    public SeedFrame Next()
    {
        SeedFrame seed = seeds[random.Next(seeds.Length)];
        byte[] frame = [.. seed.Bytes];
        VirtioNetHeader offload = seed.Offload;
        string port = seed.Port;
        int hurts = random.Next(4) == 0 ? 0 : random.Next(1, 4);
        for (int i = 0; i < hurts; i++)
        {
            switch (random.Next(10))
            {
                case 0:
                    frame = frame[..random.Next(frame.Length + 1)];
                    break;
                case 1:
                    byte[] more = new byte[random.Next(64)];
                    random.NextBytes(more);
                    frame = [.. frame, .. more];
                    break;
                case 2 or 3:
                    Flip(frame);
                    break;
                case 4 or 5:
                    SetWord(frame);
                    break;
                case 6:
                    Graft(frame, seeds[random.Next(seeds.Length)].Bytes);
                    break;
                case 7:
                    offload = RandomOffload(offload, frame.Length);
                    break;
                case 8:
                    SetPortsAndId(frame);
                    break;
                default:
                    if (random.Next(8) == 0)
                    {
                        port = s_ports[random.Next(s_ports.Length)];
                    }
                    else if (random.Next(8) == 0 && frame.Length > 14)
                    {
                        random.NextBytes(frame.AsSpan(14));
                    }

                    break;
            }
        }

        if (hurts > 0 && random.Next(4) != 0)
        {
            FrameSums.Mend(frame);
        }

        return new SeedFrame(port, frame, offload);
    }

    private void Flip(byte[] frame)
    {
        for (int i = random.Next(1, 4); i > 0 && frame.Length > 14; i--)
        {
            frame[random.Next(12, frame.Length)] ^= (byte)(1 << random.Next(8));
        }
    }

    private void SetWord(byte[] frame)
    {
        if (frame.Length < 18)
        {
            return;
        }

        // Headers more often than payload.
        int at = random.Next(14, Math.Min(frame.Length - 1, random.Next(3) == 0 ? frame.Length : 80));
        ushort value = random.Next(4) == 0 ? (ushort)frame.Length : s_values[random.Next(s_values.Length)];
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), value);
    }

    private void Graft(byte[] frame, byte[] other)
    {
        int length = Math.Min(frame.Length, other.Length);
        if (length > 15)
        {
            int at = random.Next(14, length);
            other.AsSpan(at, random.Next(length - at)).CopyTo(frame.AsSpan(at));
        }
    }

    /// <summary>Many flows: the tables are to fill up.</summary>
    private void SetPortsAndId(byte[] frame)
    {
        FrameCheck check = FrameCheck.Of(frame);
        if (check.IsIp && frame.Length >= check.TransportStart + 8)
        {
            int at = check.TransportStart + (check.Protocol is 1 or 58 ? 4 : 0);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), (ushort)random.Next(65536));
        }
    }

    private VirtioNetHeader RandomOffload(VirtioNetHeader offload, int frameLength) => random.Next(4) switch
    {
        // Whoever reads a frame in takes the flag off that is this program's own.
        0 => offload with { Flags = (VirtioNetFlags)random.Next(256) & ~VirtioNetFlags.Fragment, GsoType = (VirtioGsoType)random.Next(256) },
        1 => offload with { ChecksumStart = (ushort)random.Next(frameLength + 2), ChecksumOffset = (ushort)random.Next(32) },
        2 => offload with { SegmentLength = s_values[random.Next(s_values.Length)], HeaderLength = s_values[random.Next(s_values.Length)] },
        _ => new((VirtioNetFlags)random.Next(4), (VirtioGsoType)random.Next(6), (ushort)random.Next(65536), (ushort)random.Next(65536), (ushort)random.Next(65536), (ushort)random.Next(65536)),
    };
}
