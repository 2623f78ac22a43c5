namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>The forms in which `hubble observe` prints flows.</summary>
public enum FlowFormat
{
    /// <summary>A line for each flow, with identities and an arrow.</summary>
    Compact,

    /// <summary>Columns, with a header.</summary>
    Table,

    /// <summary>A block for each flow.</summary>
    Dict,

    /// <summary>The flow as JSON, one a line.</summary>
    Json,

    /// <summary>The whole response as JSON, one a line.</summary>
    JsonPb,
}
