using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Scenarios;

/// <summary>What a scenario reads of a frame whose values the datapath chose: a backend, a port. Plain offsets: no options, no extension header but a fragment's.</summary>
public sealed class TestPacketView(Delivery delivery)
{
    private bool IsIpv4 => delivery.Frame[14] >> 4 == 4;

    public string Port => delivery.Port!;

    public IpAddress Source => IsIpv4 ? IpAddress.FromBytes(delivery.Frame.AsSpan(26, 4)) : IpAddress.FromBytes(delivery.Frame.AsSpan(22, 16));

    public IpAddress Destination => IsIpv4 ? IpAddress.FromBytes(delivery.Frame.AsSpan(30, 4)) : IpAddress.FromBytes(delivery.Frame.AsSpan(38, 16));

    public ushort SourcePort => BinaryPrimitives.ReadUInt16BigEndian(delivery.Frame.AsSpan(Transport));

    public ushort EchoId => BinaryPrimitives.ReadUInt16BigEndian(delivery.Frame.AsSpan(Transport + 4));

    private int Transport => IsIpv4 ? 34 : delivery.Frame[20] == (byte)IpProtocol.Fragment ? 62 : 54;
}
