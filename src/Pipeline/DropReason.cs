using System.ComponentModel;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Why a packet was dropped. Numbers and words are Cilium's (monitor/api/drop.go), so that its tools print ours; those from 250 on
/// are this project's own. A number never changes its meaning. The description is the one sentence that CLI and documents show.
/// </summary>
public enum DropReason : byte
{
    None = 0,

    [Description("Invalid source ip")]
    InvalidSource = 132,

    [Description("Invalid packet")]
    InvalidPacket = 134,

    [Description("Fragmentation needed")]
    FragmentationNeeded = 136,

    [Description("CT: Unknown L4 protocol")]
    UnknownTransport = 137,

    [Description("Unsupported L3 protocol")]
    UnsupportedNetworkProtocol = 139,

    [Description("Unknown ICMPv4 code")]
    UnknownIcmpCode = 143,

    [Description("Unknown L3 target address")]
    UnknownTarget = 150,

    [Description("Stale or unroutable IP")]
    Unroutable = 151,

    [Description("Error while correcting L4 checksum")]
    ChecksumNotCorrectable = 154,

    [Description("CT: Map insertion failed")]
    ConntrackFull = 155,

    [Description("Invalid IPv6 extension header")]
    InvalidExtensionHeader = 156,

    [Description("Service backend not found")]
    NoBackend = 158,

    [Description("Unsupported L2 protocol")]
    UnsupportedLinkProtocol = 166,

    [Description("No mapping for NAT masquerade")]
    NoSnatMapping = 167,

    [Description("Unsupported protocol for NAT masquerade")]
    UnsupportedForSnat = 168,

    [Description("FIB lookup failed")]
    NoRoute = 169,

    [Description("First logical datagram fragment not found")]
    FirstFragmentMissing = 175,

    [Description("Forbidden ICMPv6 message")]
    ForbiddenIcmpv6 = 176,

    [Description("VLAN traffic disallowed by VLAN filter")]
    Vlan = 182,

    [Description("TTL exceeded")]
    HopLimitExceeded = 196,

    [Description("Egress port does not take the frame")]
    EgressRefused = 253,

    [Description("Frame is for another station")]
    OtherStation = 254,
}
