using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using ClusterMesh.Datapath.Wire;
using PacketDotNet;

namespace ClusterMesh.Datapath.Testing;

/// <summary>Questions for link addresses and their answers, ARP or neighbour discovery by the family of the address asked for.</summary>
public static class NeighborFrames
{
    private const uint SolicitedOverride = 0x6000_0000;
    private const uint RouterSolicitedOverride = 0xE000_0000;
    private const uint RouterSolicited = 0xC000_0000;
    private const uint RouterOverride = 0xA000_0000;

    /// <param name="sender">Who asks; unspecified for a probe before taking the address.</param>
    public static byte[] Request(IpAddress sender, MacAddress senderMac, IpAddress target) => target.IsIpv4
        ? Arp(Wire.ArpOperation.Request, senderMac, sender, default, target, MacAddress.Broadcast)
        : Discovery(135, 0, sender, senderMac, SolicitedNode(target), MulticastMac(target), target, 1);

    /// <summary>The question to a known neighbour whether it is still there.</summary>
    public static byte[] Probe(IpAddress sender, MacAddress senderMac, IpAddress target, MacAddress targetMac) => target.IsIpv4
        ? Arp(Wire.ArpOperation.Request, senderMac, sender, default, target, targetMac)
        : Discovery(135, 0, sender, senderMac, target, targetMac, target, 1);

    public static byte[] Reply(IpAddress sender, MacAddress senderMac, IpAddress asker, MacAddress askerMac, bool isRouter = false) => sender.IsIpv4
        ? Arp(Wire.ArpOperation.Reply, senderMac, sender, askerMac, asker, askerMac)
        : Discovery(136, isRouter ? RouterSolicitedOverride : SolicitedOverride, sender, senderMac, asker, askerMac, sender, 2);

    /// <summary>The answer of one who speaks for another: whoever has the address itself may overrule it.</summary>
    public static byte[] ProxyReply(IpAddress target, MacAddress mac, IpAddress asker, MacAddress askerMac) =>
        Discovery(136, RouterSolicited, target, mac, asker, askerMac, target, 2);

    /// <summary>What everybody hears of an address that somebody wanted to take.</summary>
    public static byte[] Defence(IpAddress target, MacAddress mac) =>
        Discovery(136, RouterOverride, target, mac, IpAddress.Parse("ff02::1"), MacAddress.Parse("33:33:00:00:00:01"), target, 2);

    /// <summary>The question for routers; one without an address does not name its MAC (RFC 4861 section 4.1).</summary>
    public static TestPacket RouterSolicitation(IpAddress sender, MacAddress mac) =>
        TestPacket.Icmp(sender, IpAddress.Parse("ff02::2"), 133, 0) with
        {
            HopLimit = 255,
            Payload = sender == default ? [] : [1, 1, .. Physical(mac).GetAddressBytes()],
        };

    /// <summary>Lifetime, hop limit and timers 0: hop limit to lifetime are the message's second word.</summary>
    public static byte[] RouterAdvertisement(IpAddress router, MacAddress routerMac, IpAddress asker, MacAddress askerMac) =>
        (TestPacket.Icmp(router, asker, 134, 0) with { HopLimit = 255, Payload = [.. new byte[8], 1, 1, .. Physical(routerMac).GetAddressBytes()] })
            .Frame(routerMac, askerMac);

    private static byte[] Arp(Wire.ArpOperation operation, MacAddress senderMac, IpAddress sender, MacAddress targetMac, IpAddress target, MacAddress destination)
    {
        var arp = new PacketDotNet.ArpPacket(
            (PacketDotNet.ArpOperation)operation, Physical(targetMac), IPAddress.Parse(target.ToString()), Physical(senderMac), IPAddress.Parse(sender.ToString()));
        return new EthernetPacket(Physical(senderMac), Physical(destination), EthernetType.Arp) { PayloadPacket = arp }.Bytes;
    }

    private static byte[] Discovery(
        byte type, uint flags, IpAddress sender, MacAddress senderMac, IpAddress destination, MacAddress destinationMac, IpAddress target, byte option)
    {
        byte[] payload = [.. IPAddress.Parse(target.ToString()).GetAddressBytes(), option, 1, .. Physical(senderMac).GetAddressBytes()];
        return (TestPacket.Icmp(sender, destination, type, 0, flags) with { Payload = sender == default ? payload[..16] : payload, HopLimit = 255 })
            .Frame(senderMac, destinationMac);
    }

    private static IpAddress SolicitedNode(IpAddress target) => IpAddress.Parse($"ff02::1:ff{target.Low >> 16 & 0xFF:x2}:{target.Low & 0xFFFF:x}");

    private static MacAddress MulticastMac(IpAddress target)
    {
        Span<byte> bytes = [0x33, 0x33, 0xFF, 0, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], (ushort)target.Low);
        bytes[3] = (byte)(target.Low >> 16);
        return MacAddress.FromBytes(bytes);
    }

    private static PhysicalAddress Physical(MacAddress mac) => PhysicalAddress.Parse(mac.ToString());
}
