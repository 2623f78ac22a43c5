namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>How the node treats flows where there is a choice; fixed at start.</summary>
public sealed record FlowsSection
{
    /// <summary><c>reject</c> answers a packet for a service without backends by ICMP, <c>drop</c> does not.</summary>
    public string ServiceNoBackendResponse { get; set; } = "reject";
}
