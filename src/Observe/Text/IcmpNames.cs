using System.Globalization;

namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>ICMP types and codes (IANA, RFC 792, RFC 4443, RFC 4861) spelled as Hubble prints them: "DestinationUnreachable(Port)".</summary>
internal static class IcmpNames
{
    private static readonly Dictionary<byte, (string Name, string[] Codes)> s_icmp = new()
    {
        [0] = ("EchoReply", []),
        [3] = ("DestinationUnreachable",
        [
            "Net", "Host", "Protocol", "Port", "FragmentationNeeded", "SourceRoutingFailed", "NetUnknown", "HostUnknown", "SourceIsolated",
            "NetAdminProhibited", "HostAdminProhibited", "NetTOS", "HostTOS", "CommAdminProhibited", "HostPrecedence", "PrecedenceCutoff",
        ]),
        [4] = ("SourceQuench", []),
        [5] = ("Redirect", ["Net", "Host", "TOS+Net", "TOS+Host"]),
        [8] = ("EchoRequest", []),
        [9] = ("RouterAdvertisement", []),
        [10] = ("RouterSolicitation", []),
        [11] = ("TimeExceeded", ["TTLExceeded", "FragmentReassemblyTimeExceeded"]),
        [12] = ("ParameterProblem", ["PointerIndicatesError", "MissingOption", "BadLength"]),
        [13] = ("TimestampRequest", []),
        [14] = ("TimestampReply", []),
        [15] = ("InfoRequest", []),
        [16] = ("InfoReply", []),
        [17] = ("AddressMaskRequest", []),
        [18] = ("AddressMaskReply", []),
    };

    private static readonly Dictionary<byte, (string Name, string[] Codes)> s_icmpv6 = new()
    {
        [1] = ("DestinationUnreachable",
        [
            "NoRouteToDst", "AdminProhibited", "BeyondScopeOfSrc", "AddressUnreachable", "PortUnreachable", "SrcAddressFailedPolicy", "RejectRouteToDst",
        ]),
        [2] = ("PacketTooBig", []),
        [3] = ("TimeExceeded", ["HopLimitExceeded", "FragmentReassemblyTimeExceeded"]),
        [4] = ("ParameterProblem", ["ErroneousHeader", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"]),
        [128] = ("EchoRequest", []),
        [129] = ("EchoReply", []),
        [130] = ("MLDv1MulticastListenerQueryMessage", []),
        [131] = ("MLDv1MulticastListenerReportMessage", []),
        [132] = ("MLDv1MulticastListenerDoneMessage", []),
        [133] = ("RouterSolicitation", []),
        [134] = ("RouterAdvertisement", []),
        [135] = ("NeighborSolicitation", []),
        [136] = ("NeighborAdvertisement", []),
        [137] = ("Redirect", []),
        [143] = ("MLDv2MulticastListenerReportMessageV2", []),
    };

    public static string OfIcmp(byte type, byte code) => Of(s_icmp, type, code);

    public static string OfIcmpv6(byte type, byte code) => Of(s_icmpv6, type, code);

    private static string Of(Dictionary<byte, (string Name, string[] Codes)> names, byte type, byte code)
    {
        if (!names.TryGetValue(type, out (string Name, string[] Codes) known))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{type}({code})");
        }

        string? word = code < known.Codes.Length ? known.Codes[code] : known.Codes.Length == 0 && code == 0 ? null : code.ToString(CultureInfo.InvariantCulture);
        return word is null ? known.Name : $"{known.Name}({word})";
    }
}
