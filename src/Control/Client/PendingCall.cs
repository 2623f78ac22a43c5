using System.Buffers;

namespace ClusterMesh.Datapath.Control.Client;

/// <summary>A request that waits for its answer, whatever its result is.</summary>
internal abstract class PendingCall
{
    /// <summary>Reads the result out of the connection's buffer.</summary>
    public abstract void Complete(in ReadOnlySequence<byte> result);

    public abstract void Fail(Exception reason);
}
