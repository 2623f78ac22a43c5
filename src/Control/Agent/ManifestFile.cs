namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>A manifest as text; the name is what messages call it.</summary>
public sealed record ManifestFile(string Name, string Text);
