using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>An address of the kernel's side of a TAP. <paramref name="PrefixLength"/> counts bits of the family: 32 for a pod's IPv4 address.</summary>
public readonly record struct TapAddress(IpAddress Address, int PrefixLength)
{
    /// <summary>An address alone on its link, as pods have it: /32 or /128.</summary>
    public static TapAddress Host(IpAddress address) => new(address, IpPrefix.Host(address).FamilyLength);

    public override string ToString() => $"{Address}/{PrefixLength}";
}
