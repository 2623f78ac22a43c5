namespace ClusterMesh.Datapath.Replay;

/// <summary>A frame that is to enter the node.</summary>
/// <param name="Port">An endpoint's name, host or uplink.</param>
/// <param name="Time">Nanoseconds since 1970-01-01T00:00:00Z.</param>
/// <param name="Bytes">The whole frame, from the Ethernet header on.</param>
/// <param name="Number">Its number in the file that it comes from, from 1, as other tools count; 0 when it comes from none.</param>
public readonly record struct ReplayFrame(string Port, long Time, ReadOnlyMemory<byte> Bytes, int Number = 0);
