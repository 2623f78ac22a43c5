using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The section flows of a node document -> <see cref="FlowOptions"/>, and back.</summary>
internal static class FlowsTranslator
{
    private const string Reject = "reject";
    private const string Drop = "drop";
    private const string Follow = "follow";
    private const string Hold = "hold";

    public static FlowOptions Translate(FlowsSection section, Place place) => new()
    {
        RefusesNoBackend = section.ServiceNoBackendResponse switch
        {
            Reject => true,
            Drop => false,
            string other => throw place.Field("serviceNoBackendResponse").Refuse($"expected reject or drop, found {ValueText.Quote(other)}"),
            null => throw place.Field("serviceNoBackendResponse").Refuse("expected reject or drop"),
        },
        IpMasqAgentConfigPath = section.IpMasqAgentConfigPath is null || Path.IsPathRooted(section.IpMasqAgentConfigPath)
            ? section.IpMasqAgentConfigPath
            : throw place.Field("ipMasqAgentConfigPath").Refuse($"expected a path from / on such as /etc/config/ip-masq-agent, found {ValueText.Quote(section.IpMasqAgentConfigPath)}"),
        MasqueradesRemoteNodes = section.EnableRemoteNodeMasquerade,
        MasqueradesIpv6 = section.EnableIpv6Masquerade,
        Fragments = section.Fragments switch
        {
            Follow => FragmentMode.Follow,
            Hold => FragmentMode.Hold,
            Drop => FragmentMode.Drop,
            string other => throw place.Field("fragments").Refuse($"expected follow, hold or drop, found {ValueText.Quote(other)}"),
            null => throw place.Field("fragments").Refuse("expected follow, hold or drop"),
        },
    };

    public static FlowsSection Write(FlowOptions options) => new()
    {
        ServiceNoBackendResponse = options.RefusesNoBackend ? Reject : Drop,
        IpMasqAgentConfigPath = options.IpMasqAgentConfigPath,
        EnableRemoteNodeMasquerade = options.MasqueradesRemoteNodes,
        EnableIpv6Masquerade = options.MasqueradesIpv6,
        Fragments = options.Fragments switch
        {
            FragmentMode.Hold => Hold,
            FragmentMode.Drop => Drop,
            _ => Follow,
        },
    };
}
