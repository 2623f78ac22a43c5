using System.Globalization;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Trace;

/// <summary>A deny rule matched: whose, and whom to ask which.</summary>
internal static class PolicyWords
{
    public static (string Cause, string Advice) Forbidden(in PacketContext p)
    {
        string port = string.Create(
            CultureInfo.InvariantCulture,
            $"{(p.Key.Protocol is IpProtocol.Icmp or IpProtocol.Icmpv6 ? p.IcmpType : p.FlowKey.DestinationPort)}/{FlowKey.ProtocolName(p.Key.Protocol)}");
        return (
            string.Create(CultureInfo.InvariantCulture,
                $"a deny rule of the {(p.EgressPolicy == FlowVerdict.Dropped ? "sender" : "receiver")}'s policies forbids identity {p.SourceIdentity} to speak to identity {p.DestinationIdentity} at {port}"),
            $"Ask which: cmesh policy explain --from {p.FlowKey.Source} --to {p.FlowKey.Destination} --port {port}.");
    }
}
