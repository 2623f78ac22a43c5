namespace ClusterMesh.Datapath.Io;

/// <summary>How frames are moved between TAPs and a worker.</summary>
public enum EngineKind
{
    /// <summary>io_uring where the kernel has it, else readiness.</summary>
    Automatic,

    /// <summary>io_uring: reads and writes go out in batches, one system call for a round.</summary>
    Ring,

    /// <summary>epoll, then read and write one by one.</summary>
    Readiness,
}
