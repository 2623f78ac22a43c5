namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>How another cluster may connect: certificates and keys are PEM.</summary>
public sealed record AccessDocument(
    string Cluster, int ClusterId, int MaxConnectedClusters, string RoutingMode, IReadOnlyList<string> PodCidrs, string Endpoint, string Address,
    string CaCertificate, string ClientCertificate, string ClientKey);
