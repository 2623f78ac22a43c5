namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Backends of a service, written by hand.</summary>
public sealed record EndpointSliceObject(string Namespace, string Name)
{
    /// <summary>The label kubernetes.io/service-name.</summary>
    public string Service { get; set; } = "";

    public IReadOnlyList<SlicePortObject> Ports { get; set; } = [];

    public IReadOnlyList<SliceEndpointObject> Endpoints { get; set; } = [];

    public string Key => $"{Namespace}/{Name}";
}
