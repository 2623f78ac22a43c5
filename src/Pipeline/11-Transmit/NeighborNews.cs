using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What one worker learned of a neighbour, for the others.</summary>
/// <param name="Mac">Zero in an answer that names none and only confirms.</param>
public readonly record struct NeighborNews(IpAddress Address, MacAddress Mac, bool IsSolicited, bool Create);
