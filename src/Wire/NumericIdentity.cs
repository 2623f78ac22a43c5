namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// The numbers of security identities (Cilium's pkg/identity/numericidentity.go): those that mean the same everywhere, and what a number says by its bits.
/// </summary>
public static class NumericIdentity
{
    public const uint Unknown = 0;
    public const uint Host = 1;
    public const uint World = 2;

    /// <summary>An endpoint that is not Cilium's.</summary>
    public const uint Unmanaged = 3;
    public const uint Health = 4;

    /// <summary>An endpoint whose labels are not known yet.</summary>
    public const uint Init = 5;
    public const uint RemoteNode = 6;

    /// <summary>A remote node on which the API server runs, or an API server elsewhere.</summary>
    public const uint KubeApiServer = 7;
    public const uint Ingress = 8;

    /// <summary>With <see cref="WorldIpv6"/>: the world where a node has both families.</summary>
    public const uint WorldIpv4 = 9;
    public const uint WorldIpv6 = 10;
    public const uint EncryptedOverlay = 11;

    /// <summary>All reserved ones are below.</summary>
    public const uint FirstAllocated = 256;

    /// <summary>Numbers from here on are a node's own and never leave it. A VXLAN network identifier has 24 bits, so all others fit one.</summary>
    public const uint FirstLocal = 1 << 24;

    /// <summary>Scope of identities of CIDRs, in the highest byte.</summary>
    public const uint CidrScope = 1u << 24;

    /// <summary>Bits of the scope.</summary>
    public const uint ScopeMask = 0xFF00_0000;

    private static readonly string?[] s_names =
        [null, "host", "world", "unmanaged", "health", "init", "remote-node", "kube-apiserver", "ingress", "world-ipv4", "world-ipv6", "encrypted-overlay"];

    /// <summary>Reserved numbers that have a name.</summary>
    public static IEnumerable<uint> Named => Enumerable.Range(1, s_names.Length - 1).Select(i => (uint)i);

    /// <summary>host, world and so on; null for a number that has no name.</summary>
    public static string? NameOf(uint identity) => identity < (uint)s_names.Length ? s_names[identity] : null;

    /// <summary>The number is one of a CIDR, given by this node.</summary>
    public static bool IsCidr(uint identity) => (identity & ScopeMask) == CidrScope;

    /// <summary>Outside all clusters: the world in its three forms, and CIDRs.</summary>
    public static bool IsWorld(uint identity) => identity is World or WorldIpv4 or WorldIpv6 || IsCidr(identity);
}
