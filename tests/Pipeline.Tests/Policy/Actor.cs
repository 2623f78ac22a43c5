using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Policy;

/// <summary>Somebody who speaks or is spoken to. A pod has labels; nobody else has.</summary>
/// <param name="Home">west or east, for pods and nodes; empty for who is outside.</param>
internal sealed record Actor(string Name, string Home, ActorKind Kind, IpAddress Address, uint Identity, IReadOnlyDictionary<string, string> Labels)
{
    public override string ToString() => Name;
}
