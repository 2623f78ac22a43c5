using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Wire;
using static ClusterMesh.Datapath.Io.Native.RtNetlinkNumbers;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// Asks the kernel to set up links, addresses and routes of one namespace (RFC 3549): one request, one acknowledgement.
/// Belongs to the namespace in which it was opened and may be used on any thread, one at a time.
/// </summary>
internal sealed class RtNetlink : IDisposable
{
    private const ushort Acknowledged = Request | Acknowledge;

    private readonly NetlinkSocket _socket;

    private RtNetlink(NetlinkSocket socket) => _socket = socket;

    /// <summary>Must be called on a thread inside the namespace.</summary>
    public static RtNetlink Open() => new(NetlinkSocket.Open());

    /// <summary>Null when no interface has that name.</summary>
    public Link? FindLink(string name)
    {
        NetlinkMessage message = _socket.Begin(GetLink, Request);
        message.Add(new LinkHeader());
        message.AddAttribute(LinkName, name);
        message.AddAttribute(LinkExtensionMask, SkipStatistics);
        NetlinkAnswer answer = _socket.Exchange(message.Bytes, NewLink);
        if (answer.Error.Number == KernelError.NoDevice)
        {
            return null;
        }

        answer.Require($"look up interface {name}");
        return ReadLink(answer.Body);
    }

    public void SetMac(Link link, MacAddress mac)
    {
        Span<byte> bytes = stackalloc byte[MacAddress.Length];
        mac.WriteTo(bytes);
        NetlinkMessage message = BeginLink(link, default);
        message.AddAttribute(LinkMac, bytes);
        Finish(message, $"interface {link.Name}: set MAC {mac}");
    }

    public void SetMtu(Link link, int mtu)
    {
        NetlinkMessage message = BeginLink(link, default);
        message.AddAttribute(LinkMtu, (uint)mtu);
        Finish(message, $"interface {link.Name}: set MTU {mtu}");
    }

    /// <summary>Frames that may wait for the reader of a TAP.</summary>
    public void SetQueueLength(Link link, int length)
    {
        NetlinkMessage message = BeginLink(link, default);
        message.AddAttribute(LinkQueueLength, (uint)length);
        Finish(message, $"interface {link.Name}: set queue length {length}");
    }

    public void SetMaster(Link link, Link master)
    {
        NetlinkMessage message = BeginLink(link, default);
        message.AddAttribute(LinkMaster, (uint)master.Index);
        Finish(message, $"interface {link.Name}: make it a port of {master.Name}");
    }

    public void SetUp(Link link) => Finish(BeginLink(link, LinkUp), $"interface {link.Name}: set up");

    public void AddAddress(Link link, TapAddress address)
    {
        Span<byte> bytes = BytesOf(address.Address, stackalloc byte[IpAddress.Length]);
        if (address.PrefixLength < 0 || address.PrefixLength > bytes.Length * 8)
        {
            throw new DeviceException($"interface {link.Name}: add address {address}: the prefix has 0 to {bytes.Length * 8} bits");
        }

        NetlinkMessage message = _socket.Begin(NewAddress, Acknowledged | Create | Exclusive);
        message.Add(new AddressHeader { Family = FamilyOf(address.Address), PrefixLength = (byte)address.PrefixLength, Index = link.Index });
        message.AddAttribute(AddressLocal, bytes);
        message.AddAttribute(AddressPeer, bytes);
        if (!address.Address.IsIpv4)
        {
            // Nobody answers duplicate detection on a TAP: the address would be unusable for a second.
            message.AddAttribute(AddressFlags, NoDuplicateDetection);
        }

        Finish(message, $"interface {link.Name}: add address {address}");
    }

    public void AddRoute(Link link, TapRoute route) => SetRoute(link, route, Create | Exclusive, "add");

    /// <summary>Adds the route or puts it in the place of another with the same prefix.</summary>
    public void ReplaceRoute(Link link, TapRoute route) => SetRoute(link, route, Create | Replace, "replace");

    /// <summary>Deletes a route with a next hop. False when there is none of this prefix and protocol.</summary>
    public bool DeleteRoute(IpPrefix prefix, RouteProtocol protocol)
    {
        NetlinkMessage message = _socket.Begin(RtNetlinkNumbers.DeleteRoute, Acknowledged);
        AddDestination(ref message, prefix, new RouteHeader { Protocol = (byte)protocol, Scope = ScopeUniverse, RouteType = Unicast });
        NetlinkAnswer answer = _socket.Exchange(message.Bytes);
        if (answer.Error.Number == KernelError.NoSuchProcess)
        {
            return false;
        }

        answer.Require($"delete route {prefix}");
        return true;
    }

    public void Dispose() => _socket.Dispose();

    private void SetRoute(Link link, TapRoute route, ushort how, string verb)
    {
        if (route.Via is { } hop && hop.IsIpv4 != route.Prefix.IsIpv4)
        {
            throw new DeviceException($"interface {link.Name}: {verb} route {route}: the next hop is of the other address family");
        }

        NetlinkMessage message = _socket.Begin(NewRoute, (ushort)(Acknowledged | how));
        AddDestination(ref message, route.Prefix, new RouteHeader
        {
            Protocol = (byte)route.Protocol,
            Scope = route.Via is null ? ScopeLink : ScopeUniverse,
            RouteType = Unicast,
            Flags = route.OnLink ? OnLink : 0,
        });
        message.AddAttribute(RouteInterface, (uint)link.Index);
        if (route.Via is { } via)
        {
            message.AddAttribute(RouteGateway, BytesOf(via, stackalloc byte[IpAddress.Length]));
        }

        if (route.Source is { } source)
        {
            message.AddAttribute(RouteSource, BytesOf(source, stackalloc byte[IpAddress.Length]));
        }

        Finish(message, $"interface {link.Name}: {verb} route {route}");
    }

    private static void AddDestination(ref NetlinkMessage message, IpPrefix prefix, RouteHeader header)
    {
        header.Family = prefix.IsIpv4 ? FamilyIpv4 : FamilyIpv6;
        header.DestinationLength = (byte)prefix.FamilyLength;
        header.Table = TableMain;
        message.Add(header);
        if (prefix.FamilyLength > 0)
        {
            message.AddAttribute(RouteDestination, BytesOf(prefix.Address, stackalloc byte[IpAddress.Length]));
        }
    }

    private NetlinkMessage BeginLink(Link link, uint flags)
    {
        NetlinkMessage message = _socket.Begin(NewLink, Acknowledged);
        message.Add(new LinkHeader { Index = link.Index, Flags = flags, ChangedFlags = flags });
        return message;
    }

    private void Finish(NetlinkMessage message, string tried) => _socket.Exchange(message.Bytes).Require(tried);

    private static byte FamilyOf(IpAddress address) => address.IsIpv4 ? FamilyIpv4 : FamilyIpv6;

    private static Span<byte> BytesOf(IpAddress address, Span<byte> buffer)
    {
        Span<byte> bytes = address.IsIpv4 ? buffer[..4] : buffer;
        address.WriteTo(bytes);
        return bytes;
    }

    private static Link ReadLink(ReadOnlySpan<byte> body)
    {
        LinkHeader header = MemoryMarshal.Read<LinkHeader>(body);
        string name = "", kind = "";
        MacAddress mac = default;
        int mtu = 0, master = 0;
        byte state = 0;
        var attributes = new NetlinkAttributes(body[Unsafe.SizeOf<LinkHeader>()..]);
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case LinkName:
                    name = NetlinkAttributes.Text(value);
                    break;
                case LinkMac when value.Length == MacAddress.Length:
                    mac = MacAddress.FromBytes(value);
                    break;
                case LinkMtu:
                    mtu = MemoryMarshal.Read<int>(value);
                    break;
                case LinkMaster:
                    master = MemoryMarshal.Read<int>(value);
                    break;
                case LinkOperationalState:
                    state = value[0];
                    break;
                case LinkInformation:
                    kind = ReadKind(value);
                    break;
            }
        }

        return new Link(name, header.Index, (header.Flags & LinkUp) != 0, mac, mtu, kind, state, master);
    }

    private static string ReadKind(ReadOnlySpan<byte> information)
    {
        var attributes = new NetlinkAttributes(information);
        while (attributes.TryRead(out ushort type, out ReadOnlySpan<byte> value))
        {
            if (type == InformationKind)
            {
                return NetlinkAttributes.Text(value);
            }
        }

        return "";
    }
}
