using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Everything that a worker exchanges frames with through memory: forwarders of this machine, and the workers beside it. Belongs to the
/// worker's thread.
/// </summary>
internal sealed class MemoryPaths(FrameBuffers buffers, LinkSet links) : IDisposable
{
    private WorkerLinks? _siblings;

    /// <summary>Null where there is one worker.</summary>
    public WorkerLinks? Siblings => _siblings;

    /// <summary>There is one at least.</summary>
    public bool IsAny { get; private set; }

    public bool HasFrames => (links.Count > 0 && links.HasFrames) || _siblings is { HasFrames: true };

    /// <summary>There are workers beside this one, whose engine is told; before it runs.</summary>
    public void Join(WorkerLinks siblings, PortEngine engine)
    {
        _siblings = siblings;
        siblings.Send = frame => engine.Complete(frame);
        Look();
    }

    /// <summary>A link was added or removed.</summary>
    public void Look() => IsAny = links.Count > 0 || _siblings is not null;

    /// <summary>Tells the others what we had for them, takes our buffers back, and adds what they have for us to the burst.</summary>
    public void Exchange(Burst burst)
    {
        _siblings?.Exchange(burst); // What they want sent by a link is told to the peer at once.
        if (links.Count > 0)
        {
            links.Exchange(burst);
        }
    }

    /// <summary>Says to all that we sleep; false when one has sent something meanwhile.</summary>
    public bool FallAsleep() => (links.Count == 0 || links.FallAsleep()) & (_siblings?.FallAsleep() ?? true);

    public void WakeUp()
    {
        links.WakeUp();
        _siblings?.WakeUp();
    }

    /// <summary>A frame needs its buffer no longer, whosever it is.</summary>
    public void Release(int buffer)
    {
        if (buffer < FrameBuffers.MostCount)
        {
            buffers.Return(buffer);
        }
        else if (WorkerLinks.IsBorrowed(buffer))
        {
            _siblings!.GiveBack(buffer);
        }
        else
        {
            links.GiveBack(buffer);
        }
    }

    public void Dispose() => links.Dispose();
}
