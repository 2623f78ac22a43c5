namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>A port of a service.</summary>
public sealed record ServicePortObject(string Name, string Protocol, int Port)
{
    /// <summary>A number, or the name of a pod's port; the port itself when empty.</summary>
    public string TargetPort { get; set; } = "";

    /// <summary>0 when it has none.</summary>
    public int NodePort { get; set; }
}
