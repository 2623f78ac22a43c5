namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Second number of <see cref="DropReason.NoRoute"/>, as the kernel's FIB look-up gives it (linux/bpf.h BPF_FIB_LKUP_RET_*).</summary>
public static class NoRouteDetail
{
    public const byte NoPrefix = 4;
    public const byte NoNeighbor = 7;
}
