using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Some peers: by labels, by what they are (an entity), or by address. Exactly one of the three.</summary>
/// <param name="Except">Parts of the CIDR that are not meant.</param>
public sealed record PolicyPeerSpec(LabelSelector? Labels, string? Entity, IpPrefix? Cidr, IReadOnlyList<IpPrefix> Except)
{
    /// <summary>Equal for equal peers, and what explanations print.</summary>
    public string Text => Labels is not null ? $"labels {(Labels.Text.Length == 0 ? "(all)" : Labels.Text)}"
        : Entity is not null ? $"entity {Entity}"
        : $"CIDR {Cidr}{(Except.Count == 0 ? "" : $" except {string.Join(", ", Except)}")}";
}
