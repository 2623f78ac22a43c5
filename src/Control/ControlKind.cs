namespace ClusterMesh.Datapath.Control;

/// <summary>
/// A kind of object that <c>list</c> and <c>watch</c> give: its name in the protocol, its row and what tells two rows apart.
/// </summary>
/// <param name="Name">As in the protocol: conntrack.</param>
/// <param name="Live">True where rows change without a change of configuration; a watch then compares at an interval.</param>
/// <param name="Key">Name of a row, unique within the kind.</param>
public sealed record ControlKind<TRow>(string Name, bool Live, Func<TRow, string> Key);
