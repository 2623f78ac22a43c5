namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The kernel or the configuration stands in the way of a device. The message is one sentence: on what, what was tried, why not, what to do.
/// </summary>
public sealed class DeviceException(string message) : Exception(message);
