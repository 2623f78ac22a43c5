namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>A backend's part of a Maglev table.</summary>
public sealed record MaglevShare(long Id, string Backend, int Weight, int Entries);
