using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Who is behind an address, by longest prefix (Cilium's ipcache). Immutable as far as it can be reached. What no prefix contains is the world.
/// </summary>
/// <param name="targets">By the values of the prefixes.</param>
/// <param name="isDualStack">The world has an identity for each family.</param>
public sealed class IpcacheTable(PrefixMap prefixes, IpcacheTarget[] targets, bool isDualStack)
{
    private readonly IpcacheTarget _worldIpv4 = new(default, isDualStack ? NumericIdentity.WorldIpv4 : NumericIdentity.World, IpcacheTarget.NoPort, 0, IpcacheFlags.None);
    private readonly IpcacheTarget _worldIpv6 = new(default, isDualStack ? NumericIdentity.WorldIpv6 : NumericIdentity.World, IpcacheTarget.NoPort, 0, IpcacheFlags.None);

    /// <summary>Version of the prefixes, by which their writer knows which of its memory is still read.</summary>
    public long Version => prefixes.Version;

    /// <summary>Whether no prefix contains the address is not told: what is unknown is the world.</summary>
    public ref readonly IpcacheTarget Lookup(IpAddress address)
    {
        if (prefixes.TryLookup(address, out int number))
        {
            return ref targets[number];
        }

        return ref address.IsIpv4 ? ref _worldIpv4 : ref _worldIpv6;
    }
}
