using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Where clients address a service, with the backends of all clusters in slot order. Immutable.</summary>
/// <param name="Backends">Active ones first, then terminating ones.</param>
/// <param name="ActiveCount">How many of them are active.</param>
/// <param name="Id">What conntrack records as rev-NAT index; see <see cref="ServiceTable"/>.</param>
public sealed record Frontend(uint Id, IpAddress Address, ushort Port, IpProtocol Protocol, ServiceType Type, Backend[] Backends, int ActiveCount)
{
    /// <summary>How many backends, from the first, may get a new flow: the active ones, or all while none is.</summary>
    public int CandidateCount => ActiveCount > 0 ? ActiveCount : Backends.Length;

    /// <summary>The backend of an id if the frontend still has it.</summary>
    /// <param name="isCandidate">It may get new flows, too.</param>
    public bool TryGetBackend(uint id, out Backend backend, out bool isCandidate)
    {
        for (int i = 0; i < Backends.Length; i++)
        {
            if (Backends[i].Id == id)
            {
                backend = Backends[i];
                isCandidate = i < CandidateCount;
                return true;
            }
        }

        backend = default;
        isCandidate = false;
        return false;
    }
}
