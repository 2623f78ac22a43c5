namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>By what a policy's rule matched, by Cilium's numbers (monitor/api/types.go).</summary>
public enum PolicyMatch : byte
{
    None = 0,
    L3Only = 1,
    L3L4 = 2,
    L4Only = 3,
    All = 4,
    L3Proto = 5,
    ProtoOnly = 6,
}
