using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>What the policies said, and whom to ask why.</summary>
internal static class PolicyWords
{
    public static (string Lookup, string Result) Of(in PacketContext p) => (
        "identities of client and server",
        string.Create(CultureInfo.InvariantCulture, $"{p.SourceIdentity} to {p.DestinationIdentity}{Side("egress", p.EgressPolicy)}{Side("ingress", p.IngressPolicy)}"));

    public static (string Cause, string Advice) Refused(in PacketContext p)
    {
        bool isSender = p.EgressPolicy == FlowVerdict.Dropped;
        bool isIcmp = p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6;
        string port = string.Create(CultureInfo.InvariantCulture, $"{(isIcmp ? p.IcmpType : p.FlowKey.DestinationPort)}/{FlowKey.ProtocolName(p.Key.Protocol)}");
        string what = string.Create(CultureInfo.InvariantCulture, $"identity {p.SourceIdentity} to speak to identity {p.DestinationIdentity} at {port}");
        return (
            p.Reason == DropReason.PolicyDeny
                ? $"a deny rule of the {(isSender ? "sender" : "receiver")}'s policies forbids {what}"
                : $"the {(isSender ? "sender" : "receiver")}'s policies close its {(isSender ? "egress" : "ingress")}, and no rule allows {what}",
            $"Ask why: cmesh policy explain --from {p.FlowKey.Source} --to {p.FlowKey.Destination} --port {port}.");
    }

    private static string Side(string direction, FlowVerdict verdict) => verdict switch
    {
        FlowVerdict.Forwarded => $", {direction} allowed",
        FlowVerdict.Audit => $", {direction} audited",
        FlowVerdict.Dropped => $", {direction} denied",
        _ => "",
    };
}
