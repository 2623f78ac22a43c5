namespace ClusterMesh.Datapath.Io;

/// <summary>Where a packet is captured.</summary>
[Flags]
public enum CapturePoints : byte
{
    None = 0,

    /// <summary>As it came in, before any translation.</summary>
    Received = 1,

    /// <summary>As it leaves.</summary>
    Left = 2,

    Both = Received | Left,
}
