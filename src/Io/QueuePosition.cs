using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Io;

/// <summary>How far one side of a <see cref="HandoverQueue{T}"/> has come, on cache lines that nothing else is on, prefetched neighbours included.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct QueuePosition
{
    /// <summary>Written by this side, read by both.</summary>
    [FieldOffset(128)]
    public uint Own;

    /// <summary>How far this side knows the other to be.</summary>
    [FieldOffset(132)]
    public uint Seen;
}
