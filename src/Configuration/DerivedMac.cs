using System.Text;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// MAC addresses for ports that name none. They follow from the names alone, so that a restarted forwarder, and a person with two
/// packet captures, meet the same ones: 02 (locally administered, unicast) and 40 bits of a hash.
/// </summary>
internal static class DerivedMac
{
    private const ulong LocallyAdministered = 0x0200_0000_0000;
    private const ulong HashBits = 0xFF_FFFF_FFFF;

    public static MacAddress OfRouter(string cluster, string node) => Of($"{cluster}/{node}/router");

    public static MacAddress OfHost(string cluster, string node) => Of($"{cluster}/{node}/host");

    public static MacAddress OfUplink(string cluster, string node) => Of($"{cluster}/{node}/uplink");

    public static MacAddress OfEndpoint(string cluster, string node, string endpoint) => Of($"{cluster}/{node}/endpoint/{endpoint}");

    private static MacAddress Of(string name)
    {
        ulong hash = Fnv1a(name);
        return new MacAddress(LocallyAdministered | ((hash ^ (hash >> 40)) & HashBits));
    }

    /// <summary>FNV-1a, 64 bits (draft-eastlake-fnv). Never changes: addresses in people's captures depend on it.</summary>
    private static ulong Fnv1a(string text)
    {
        ulong hash = 0xCBF2_9CE4_8422_2325;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            hash = (hash ^ b) * 0x100_0000_01B3;
        }

        return hash;
    }
}
