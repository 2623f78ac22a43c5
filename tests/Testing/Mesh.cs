using System.Globalization;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// The addresses of the walk-through in one family. The IPv6 twin of 10.0.1.105 is fd00:10:0:1::105: the same digits, so that a
/// scenario written once reads the same for both.
/// </summary>
public sealed record Mesh(Family Family)
{
    public bool IsIpv4 => Family == Family.Ipv4;

    public IpAddress Node => At("172.18.0.5");

    public IpAddress ControlPlane => At("172.18.0.4");

    public IpAddress EastWorker => At("172.18.0.2");

    public IpAddress Gateway => At("172.18.0.1");

    /// <summary>A machine on the node network that is no node.</summary>
    public IpAddress Neighbor => At("172.18.0.77");

    public IpAddress Router => At("10.0.1.1");

    public IpAddress CurlPod => At("10.0.1.105");

    public IpAddress Webpod1 => At("10.0.1.14");

    public IpAddress Webpod2 => At("10.0.1.162");

    /// <summary>A pod of west's other node.</summary>
    public IpAddress WestPod => At("10.0.0.33");

    public IpAddress EastPod => At("10.1.1.2");

    /// <summary>webpod's frontend.</summary>
    public IpAddress ClusterIp => At("10.2.164.148");

    /// <summary>A LoadBalancer address of webpod, which the network routes to this node.</summary>
    public IpAddress BalancerIp => At("192.0.2.10");

    /// <summary>An external address of webpod.</summary>
    public IpAddress ExternalIp => At("192.0.2.20");

    /// <summary>A machine behind the gateway.</summary>
    public IpAddress Outside => At("203.0.113.9");

    /// <summary>A router between the gateway and <see cref="Outside"/>.</summary>
    public IpAddress RouterOnTheWay => At("198.51.100.1");

    /// <summary>What a pod that reaches itself is shown.</summary>
    public IpAddress Loopback => IsIpv4 ? IpAddress.Parse("169.254.42.1") : IpAddress.Parse("fe80::1");

    public IpProtocol Icmp => IsIpv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;

    /// <summary>The address, or its twin.</summary>
    public IpAddress At(string ipv4) => IsIpv4 ? IpAddress.Parse(ipv4) : Twin(ipv4);

    /// <summary>The prefix, or its twin: /16, /24 and /32 become /48, /64 and /128.</summary>
    public IpPrefix Prefix(string ipv4) => IsIpv4 ? IpPrefix.Parse(ipv4) : TwinPrefix(ipv4);

    public static IpAddress Twin(string ipv4)
    {
        string[] parts = ipv4.Split('.');
        return IpAddress.Parse($"fd00:{parts[0]}:{parts[1]}:{parts[2]}::{parts[3]}");
    }

    public static IpPrefix TwinPrefix(string ipv4)
    {
        string[] parts = ipv4.Split('/');
        int length = int.Parse(parts[1], CultureInfo.InvariantCulture);
        return IpPrefix.Containing(Twin(parts[0]), length == 32 ? 128 : length == 0 ? 0 : 16 + (length * 2));
    }
}
