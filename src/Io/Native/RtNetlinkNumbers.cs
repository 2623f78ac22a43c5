namespace ClusterMesh.Datapath.Io.Native;

/// <summary>Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h and linux/if.h.</summary>
internal static class RtNetlinkNumbers
{
    public const ushort Error = 2; // NLMSG_ERROR
    public const ushort NewLink = 16; // RTM_NEWLINK
    public const ushort GetLink = 18; // RTM_GETLINK
    public const ushort NewAddress = 20; // RTM_NEWADDR
    public const ushort NewRoute = 24; // RTM_NEWROUTE
    public const ushort DeleteRoute = 25; // RTM_DELROUTE

    public const ushort Request = 0x001; // NLM_F_REQUEST
    public const ushort Acknowledge = 0x004; // NLM_F_ACK
    public const ushort Replace = 0x100; // NLM_F_REPLACE
    public const ushort Exclusive = 0x200; // NLM_F_EXCL
    public const ushort Create = 0x400; // NLM_F_CREATE
    public const ushort Capped = 0x100; // NLM_F_CAPPED, in acknowledgements
    public const ushort WithAttributes = 0x200; // NLM_F_ACK_TLVS, in acknowledgements
    public const ushort ErrorText = 1; // NLMSGERR_ATTR_MSG

    public const int NetlinkLevel = 270; // SOL_NETLINK
    public const int CapAcknowledgement = 10; // NETLINK_CAP_ACK
    public const int ExtendedAcknowledgement = 11; // NETLINK_EXT_ACK

    public const ushort LinkMac = 1; // IFLA_ADDRESS
    public const ushort LinkName = 3; // IFLA_IFNAME
    public const ushort LinkMtu = 4; // IFLA_MTU
    public const ushort LinkMaster = 10; // IFLA_MASTER
    public const ushort LinkQueueLength = 13; // IFLA_TXQLEN
    public const ushort LinkOperationalState = 16; // IFLA_OPERSTATE
    public const ushort LinkInformation = 18; // IFLA_LINKINFO
    public const ushort InformationKind = 1; // IFLA_INFO_KIND
    public const ushort LinkExtensionMask = 29; // IFLA_EXT_MASK
    public const uint SkipStatistics = 8; // RTEXT_FILTER_SKIP_STATS
    public const uint LinkUp = 1; // IFF_UP

    public const byte FamilyIpv4 = 2; // AF_INET
    public const byte FamilyIpv6 = 10; // AF_INET6

    public const ushort AddressPeer = 1; // IFA_ADDRESS
    public const ushort AddressLocal = 2; // IFA_LOCAL
    public const ushort AddressFlags = 8; // IFA_FLAGS
    public const uint NoDuplicateDetection = 2; // IFA_F_NODAD

    public const ushort RouteDestination = 1; // RTA_DST
    public const ushort RouteInterface = 4; // RTA_OIF
    public const ushort RouteGateway = 5; // RTA_GATEWAY
    public const ushort RouteSource = 7; // RTA_PREFSRC
    public const byte TableMain = 254; // RT_TABLE_MAIN
    public const byte ScopeUniverse = 0; // RT_SCOPE_UNIVERSE
    public const byte ScopeLink = 253; // RT_SCOPE_LINK
    public const byte Unicast = 1; // RTN_UNICAST
    public const uint OnLink = 4; // RTNH_F_ONLINK
}
