namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Files in PEM: what Hubble's API shows over TCP, and the authority that its clients must be of.</summary>
internal sealed record ObserveTls(string Certificate, string Key, string Authority);
