using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Cilium's option of direct server return, its bytes written by hand, as Cilium's own tests expect them.</summary>
public static class DsrBytes
{
    /// <summary>The packet with the option in front of everything.</summary>
    public static TestPacket Optioned(TestPacket packet, IpAddress service, int port) => packet.IsIpv4
        ? packet with { Ipv4Options = Option(service, port) }
        : packet with { Extensions = [Extension(service, port)] };

    /// <summary>The low byte first, of the port and of the address.</summary>
    public static byte[] Option(IpAddress service, int port)
    {
        uint address = service.ToIpv4();
        return [0x9A, 8, (byte)port, (byte)(port >> 8), (byte)address, (byte)(address >> 8), (byte)(address >> 16), (byte)(address >> 24)];
    }

    /// <summary>A whole destination options header, its type first.</summary>
    public static (byte Type, byte[] Bytes) Extension(IpAddress service, int port)
    {
        byte[] address = new byte[16];
        service.WriteTo(address);
        return (60, [0, 2, 0x1B, 20, .. address, (byte)(port >> 8), (byte)port, 0, 0]);
    }
}
