namespace ClusterMesh.Datapath.State;

/// <summary>A configuration that is refused whole. The message is one sentence: where, what, and what to do.</summary>
public sealed class ConfigurationException(string message) : Exception(message);
