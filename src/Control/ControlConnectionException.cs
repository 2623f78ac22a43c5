namespace ClusterMesh.Datapath.Control;

/// <summary>A forwarder cannot be reached, went away, or speaks another language. The message is one sentence with what to do.</summary>
public sealed class ControlConnectionException(string message, Exception? inner = null) : Exception(message, inner);
