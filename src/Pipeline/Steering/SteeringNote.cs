namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What rides along with a frame from worker to worker.</summary>
/// <param name="Worker">To whom it goes, when its verdict is <see cref="Verdict.HandedOver"/>.</param>
/// <param name="HasPorts">It is a fragment that carries no ports, and these are its datagram's.</param>
public readonly record struct SteeringNote(SteeringStep Step, byte Worker = 0, bool HasPorts = false, ushort SourcePort = 0, ushort DestinationPort = 0);
