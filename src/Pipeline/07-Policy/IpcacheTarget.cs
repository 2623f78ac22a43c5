using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Who an address is: what a prefix of the ipcache leads to. 32 bytes, no references.</summary>
/// <param name="TunnelEndpoint">The node that the address is behind; unset for what is local or behind none.</param>
/// <param name="Identity">See <see cref="NumericIdentity"/>.</param>
/// <param name="Port">The local endpoint's or the host's port, <see cref="NoPort"/> for what is elsewhere.</param>
/// <param name="Key">Encryption key; 0 for none.</param>
public readonly record struct IpcacheTarget(IpAddress TunnelEndpoint, uint Identity, int Port, byte Key, IpcacheFlags Flags)
{
    public const int NoPort = -1;
}
