namespace ClusterMesh.Datapath.Pipeline;

/// <summary>A place of the index of <see cref="ServiceTable"/>: a frontend and the part of its hash that tells most others apart without looking at them.</summary>
public record struct ServiceIndexEntry(uint Tag, Frontend? Frontend);
