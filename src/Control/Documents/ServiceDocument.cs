namespace ClusterMesh.Datapath.Control.Documents;

/// <summary>One port of a service with its frontends and backends.</summary>
public sealed record ServiceDocument
{
    /// <summary>Unique: default/webpod, or kube-system/kube-dns:dns when a service has several ports.</summary>
    public string Name { get; set; } = "";

    /// <summary>TCP, UDP or SCTP.</summary>
    public string Protocol { get; set; } = "TCP";

    public IReadOnlyList<FrontendDocument> Frontends { get; set; } = [];

    public IReadOnlyList<BackendDocument> Backends { get; set; } = [];
}
