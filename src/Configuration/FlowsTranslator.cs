using System.Globalization;
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

    /// <summary>More than any table has entries.</summary>
    private const int MostFlows = 100_000_000;

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
        SourceLimits = new SourceLimitRules
        {
            PodFlowCount = Between(0, MostFlows, section.MaxFlowsPerPod, place.Field("maxFlowsPerPod")),
            PodNewPerSecond = Between(0, MostFlows, section.MaxNewFlowsPerPod, place.Field("maxNewFlowsPerPod")),
            OuterFlowCount = Between(0, MostFlows, section.MaxFlowsPerSource, place.Field("maxFlowsPerSource")),
            OuterNewPerSecond = Between(0, MostFlows, section.MaxNewFlowsPerSource, place.Field("maxNewFlowsPerSource")),
            Ipv4PrefixLength = Between(8, 32, section.SourcePrefixIPv4, place.Field("sourcePrefixIPv4")),
            Ipv6PrefixLength = Between(16, 128, section.SourcePrefixIPv6, place.Field("sourcePrefixIPv6")),
        },
        NewFlowsUnderLoad = Between(0, MostFlows, section.NewFlowsUnderLoad, place.Field("newFlowsUnderLoad")),
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
        MaxFlowsPerPod = options.SourceLimits.PodFlowCount,
        MaxNewFlowsPerPod = options.SourceLimits.PodNewPerSecond,
        MaxFlowsPerSource = options.SourceLimits.OuterFlowCount,
        MaxNewFlowsPerSource = options.SourceLimits.OuterNewPerSecond,
        SourcePrefixIPv4 = options.SourceLimits.Ipv4PrefixLength,
        SourcePrefixIPv6 = options.SourceLimits.Ipv6PrefixLength,
        NewFlowsUnderLoad = options.NewFlowsUnderLoad,
    };

    private static int Between(int least, int most, int value, Place place) =>
        value >= least && value <= most ? value : throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"expected a number from {least} to {most}, found {value}"));
}
