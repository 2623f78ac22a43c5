using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>How a worker sleeps, for the workers beside it: read by all, and whoever has something for a sleeper wakes it.</summary>
internal sealed class WorkerBed(EventCounter wake)
{
    private Word _sleep;

    /// <summary>The owner's word. What the owner looks at next is seen to be later than this.</summary>
    public void Say(PeerSleep sleep)
    {
        Volatile.Write(ref _sleep.Value, (int)sleep);
        if (sleep != PeerSleep.Awake)
        {
            Interlocked.MemoryBarrier();
        }
    }

    /// <summary>Wakes the owner if it sleeps and wants to be woken for this. Called behind a full barrier that stands behind what was written for it.</summary>
    public void WakeFor(bool hasFrames, bool hasBuffers)
    {
        var sleep = (PeerSleep)Volatile.Read(ref _sleep.Value);
        if ((hasFrames && sleep != PeerSleep.Awake) || (hasBuffers && sleep == PeerSleep.UntilBuffers))
        {
            Volatile.Write(ref _sleep.Value, (int)PeerSleep.Awake);
            wake.Signal();
        }
    }

    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Word
    {
        [FieldOffset(128)]
        public int Value;
    }
}
