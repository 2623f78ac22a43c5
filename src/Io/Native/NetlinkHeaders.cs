using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>struct nlmsghdr, 16 bytes (RFC 3549 section 2.3.2). Netlink speaks the machine's own byte order.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NetlinkHeader
{
    public uint Length;
    public ushort Type;
    public ushort Flags;
    public uint Sequence;
    public uint PortId;
}

/// <summary>struct ifinfomsg, 16 bytes (RFC 3549 section 3.1.1).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinkHeader
{
    public byte Family;
    public byte Padding;
    public ushort DeviceType;
    public int Index;
    public uint Flags;
    public uint ChangedFlags;
}

/// <summary>struct ifaddrmsg, 8 bytes (RFC 3549 section 3.1.2).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AddressHeader
{
    public byte Family;
    public byte PrefixLength;
    public byte Flags;
    public byte Scope;
    public int Index;
}

/// <summary>struct rtmsg, 12 bytes (RFC 3549 section 3.1.3).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RouteHeader
{
    public byte Family;
    public byte DestinationLength;
    public byte SourceLength;
    public byte TypeOfService;
    public byte Table;
    public byte Protocol;
    public byte Scope;
    public byte RouteType;
    public uint Flags;
}
