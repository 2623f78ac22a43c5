using System.Buffers;

namespace ClusterMesh.Datapath.Control.Client;

/// <summary>Where the events of one watch go, whatever their rows are.</summary>
internal abstract class EventSink
{
    /// <summary>Reads the event out of the connection's buffer at once, then waits until there is room for it.</summary>
    public abstract ValueTask TakeAsync(in ReadOnlySequence<byte> parameters);

    public abstract void Close(Exception? reason);
}
