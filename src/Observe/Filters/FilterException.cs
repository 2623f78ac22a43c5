namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>A filter cannot be understood; the message says which value of which field, and what it should be.</summary>
public sealed class FilterException(string message) : Exception(message);
