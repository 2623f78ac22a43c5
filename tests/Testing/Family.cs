namespace ClusterMesh.Datapath.Testing;

/// <summary>Which of the two IP families a scenario runs for.</summary>
public enum Family
{
    Ipv4 = 4,
    Ipv6 = 6,
}
