using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where clients address a service, with the backends of all clusters in slot order. Immutable.</summary>
/// <param name="Id">What conntrack records as rev-NAT index; see <see cref="ServiceTable"/>.</param>
public sealed record Frontend(uint Id, IpAddress Address, ushort Port, IpProtocol Protocol, ServiceType Type, Backend[] Backends)
{
    /// <summary>The backend of an id if the frontend still has it.</summary>
    public bool TryGetBackend(uint id, out Backend backend)
    {
        foreach (Backend candidate in Backends)
        {
            if (candidate.Id == id)
            {
                backend = candidate;
                return true;
            }
        }

        backend = default;
        return false;
    }
}
