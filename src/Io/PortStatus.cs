namespace ClusterMesh.Datapath.Io;

/// <summary>How a transfer on a port ended.</summary>
public enum PortStatus
{
    /// <summary>One frame was moved.</summary>
    Done,

    /// <summary>No frame waits, or no room: try again when the port is ready.</summary>
    Again,

    /// <summary>The other side refused this one frame (link down, header it does not take).</summary>
    Refused,

    /// <summary>The device is gone and will not come back under this port.</summary>
    Gone,
}
