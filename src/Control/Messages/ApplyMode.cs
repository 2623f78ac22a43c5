namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>Merge adds objects or replaces those of the same name; with replace each list that is present is the whole set of its kind.</summary>
public enum ApplyMode
{
    Merge,
    Replace,
}
