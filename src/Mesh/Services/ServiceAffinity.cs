namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>Which side a global service's flows go to first.</summary>
public enum ServiceAffinity
{
    /// <summary>Also the literal <c>none</c>, which a version of Cilium took for something else.</summary>
    None,
    Local,
    Remote,
}
