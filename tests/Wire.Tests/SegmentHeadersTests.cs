using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>The quick look at a frame's headers against the thorough ones of <see cref="IpHeader"/> and <see cref="TransportHeader"/>.</summary>
public sealed class SegmentHeadersTests
{
    private const int SampleCount = 50_000;

    [Fact]
    public void It_finds_what_the_header_views_find()
    {
        int foundCount = 0;
        for (int seed = 0; seed < SampleCount; seed++)
        {
            var random = new Random(seed);
            BulkPacket sample = BulkSample.Headers(random) with { Payload = new byte[random.Next(30)] };
            byte[] frame = sample.Complete()[VirtioNetHeader.Length..];
            for (int i = random.Next(3); i > 0; i--)
            {
                frame[random.Next(12, frame.Length)] = (byte)random.Next(256);
            }

            frame = random.Next(4) == 0 ? frame[..random.Next(frame.Length)] : frame;
            bool isFound = SegmentHeaders.TryParse(frame, out SegmentHeaders got);
            (int TransportOffset, int Length, IpProtocol Protocol)? wanted = Thorough(frame);
            Assert.True(isFound == wanted.HasValue, $"seed {seed}: {FrameText.Line(frame)}");
            if (wanted is { } found)
            {
                Assert.Equal(found, (got.TransportOffset, got.Length, got.Protocol));
                foundCount++;
            }
        }

        Assert.InRange(foundCount, SampleCount / 4, SampleCount);
    }

    private static (int TransportOffset, int Length, IpProtocol Protocol)? Thorough(byte[] frame)
    {
        if (!EthernetHeader.TryParse(frame, out EthernetHeader ethernet) || IpHeader.Parse(frame.AsSpan(14), quoted: false, out IpHeader ip) != IpParseResult.Valid
            || ethernet.Type != (ip.IsIpv4 ? EtherType.Ipv4 : EtherType.Ipv6) || ip.IsFragment || ip.TotalLength != frame.Length - 14
            || ip.Protocol is not (IpProtocol.Tcp or IpProtocol.Udp))
        {
            return null;
        }

        Span<byte> segment = frame.AsSpan(14 + ip.HeaderLength);
        bool isWhole = TransportHeader.TryParse(segment, ip.Protocol, fragment: false, out TransportHeader transport)
            && (ip.Protocol == IpProtocol.Tcp || BinaryPrimitives.ReadUInt16BigEndian(segment[4..]) == segment.Length);
        return isWhole ? (14 + ip.HeaderLength, 14 + ip.HeaderLength + transport.HeaderLength, ip.Protocol) : null;
    }
}
