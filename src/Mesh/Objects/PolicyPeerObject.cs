namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>Peers by labels, entity, CIDR or service: one of the four.</summary>
public sealed record PolicyPeerObject
{
    /// <summary>As a policy's subject.</summary>
    public string? Labels { get; set; }

    public string? Entity { get; set; }

    public string? Cidr { get; set; }

    public IReadOnlyList<string> Except { get; set; } = [];

    /// <summary>namespace/name of a service.</summary>
    public string? Service { get; set; }

    /// <summary>Labels of services, as a policy's subject but without source.</summary>
    public string? ServiceLabels { get; set; }

    /// <summary>Of the services that <see cref="ServiceLabels"/> means; empty for all.</summary>
    public string ServiceNamespace { get; set; } = "";
}
