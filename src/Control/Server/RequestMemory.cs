namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// The bytes of long requests that arrive or are under way, on all connections together: many clients that send long lines at once are told to
/// come again, and cost the process no more than this. Short requests are not counted, their number is limited. Any thread.
/// </summary>
internal sealed class RequestMemory(long limit)
{
    /// <summary>A line up to this length is free.</summary>
    public const int FreeLength = 64 * 1024;

    private long _taken;

    public long Taken => Interlocked.Read(ref _taken);

    public bool TryTake(long length)
    {
        if (Interlocked.Add(ref _taken, length) <= limit)
        {
            return true;
        }

        Return(length);
        return false;
    }

    public void Return(long length) => Interlocked.Add(ref _taken, -length);
}
