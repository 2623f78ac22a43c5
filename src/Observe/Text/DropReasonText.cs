using System.Globalization;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>
/// The words of all drop reasons that a flow may carry: those of our own datapath from where they are defined, and those that only other
/// datapaths give (monitor/api/drop.go), for flows that come through a relay.
/// </summary>
public static class DropReasonText
{
    private static readonly Dictionary<int, string> s_others = new()
    {
        [130] = "Invalid source mac",
        [131] = "Invalid destination mac",
        [138] = "CT: Can't create entry from packet",
        [140] = "Missed tail call",
        [141] = "Error writing to packet",
        [142] = "Unknown L4 protocol",
        [144] = "Unknown ICMPv4 type",
        [146] = "Unknown ICMPv6 type",
        [148] = "Error retrieving tunnel options",
        [149] = "Invalid Geneve option",
        [152] = "No matching local container found",
        [153] = "Error while correcting L3 checksum",
        [161] = "NAT 46/64 not enabled",
        [162] = "Reached EDT rate-limiting drop horizon",
        [163] = "Unknown connection tracking state",
        [164] = "Local host is unreachable",
        [165] = "No configuration available to perform policy decision",
        [173] = "NAT not needed",
        [178] = "Socket lookup failed",
        [179] = "Socket assign failed",
        [180] = "Proxy redirection not supported for protocol",
        [183] = "Incorrect VNI from VTEP",
        [184] = "Failed to update or lookup TC buffer",
        [185] = "No SID was found for the IP address",
        [186] = "SRv6 state was removed during tail call",
        [187] = "L3 translation from IPv4 to IPv6 failed (NAT46)",
        [188] = "L3 translation from IPv6 to IPv4 failed (NAT64)",
        [189] = "Authentication required",
        [190] = "No conntrack map found",
        [191] = "No nat map found",
        [192] = "Invalid ClusterID",
        [193] = "Unsupported packet protocol for DSR encapsulation",
        [194] = "No egress gateway found",
        [195] = "Traffic is unencrypted",
        [197] = "No node ID found",
        [198] = "Rate limited",
        [199] = "IGMP handled",
        [200] = "IGMP subscribed",
        [201] = "Multicast handled",
        [202] = "Host datapath not ready",
        [203] = "Endpoint policy program not available",
        [204] = "No Egress IP configured",
        [205] = "Punt to proxy",
    };

    /// <summary>Numbers that our own datapath never gives.</summary>
    public static IReadOnlyCollection<int> OfOtherDatapaths => s_others.Keys;

    /// <summary>A reason that nobody knows is its number and a 0, as the tools of Cilium print it.</summary>
    public static string Of(int reason)
    {
        if (reason is > 0 and <= byte.MaxValue && Enum.IsDefined((DropReason)reason))
        {
            return DropReasons.TextOf((DropReason)reason);
        }

        return s_others.GetValueOrDefault(reason) ?? string.Create(CultureInfo.InvariantCulture, $"{reason}, 0");
    }
}
