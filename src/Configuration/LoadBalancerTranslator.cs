using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The loadBalancer section of a node file -> <see cref="LoadBalancerSpec"/>.</summary>
internal static class LoadBalancerTranslator
{
    public static LoadBalancerSpec Translate(LoadBalancerSection section, Place place) => new()
    {
        Algorithm = Algorithm(section.Algorithm, place.Field("algorithm")),
        Forwarding = Mode(section.Mode, place.Field("mode")),
        MaglevTableSize = TableSize(section.MaglevTableSize, place.Field("maglevTableSize")),
        MaglevSeed = Seed(section.MaglevHashSeed, place.Field("maglevHashSeed")),
        IsClusterIpExternal = section.ExternalClusterIp,
        HasSourceRangesOnAllTypes = section.SourceRangeAllTypes,
        HasServiceTopology = section.ServiceTopology,
        LoopbackIpv4 = Loopback(section.ServiceLoopbackIpv4, place.Field("serviceLoopbackIPv4")),
    };

    public static LoadBalancingAlgorithm Algorithm(string text, Place place) => text switch
    {
        "random" => LoadBalancingAlgorithm.Random,
        "maglev" => LoadBalancingAlgorithm.Maglev,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no algorithm; use random or maglev"),
    };

    private static ForwardingMode Mode(string text, Place place) => text switch
    {
        "snat" => ForwardingMode.Snat,
        "dsr" => ForwardingMode.Dsr,
        "hybrid" => ForwardingMode.Hybrid,
        _ => throw place.Refuse($"{ValueText.Quote(text)} is no mode; use snat, dsr or hybrid"),
    };

    private static int TableSize(int size, Place place) => LoadBalancerSpec.MaglevTableSizes.Contains(size)
        ? size
        : throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"{size} is no size of a Maglev table; use one of {string.Join(", ", LoadBalancerSpec.MaglevTableSizes)}"));

    private static MaglevSeed Seed(string text, Place place) => MaglevSeed.TryParse(text, out MaglevSeed seed)
        ? seed
        : throw place.Refuse($"{ValueText.Quote(text)} is no seed; give {MaglevSeed.Length} bytes as base64, such as {MaglevSeed.DefaultText} (head -c12 /dev/urandom | base64)");

    private static IpAddress Loopback(string text, Place place)
    {
        IpAddress address = ValueParser.UnicastAddress(text, place);
        return address.IsIpv4 ? address : throw place.Refuse($"{address} is no IPv4 address; use one such as 169.254.42.1");
    }
}
