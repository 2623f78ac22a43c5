namespace ClusterMesh.Datapath.Io;

/// <summary>What the ring engine keeps of a port: which of its reads are under way, and how many to make next.</summary>
internal struct PortReads
{
    /// <summary>Most frames of one port a round, beside the one that its patient read takes: the others get their turn.</summary>
    public const int MaxAheadCount = 32;

    private int _frameCount;

    /// <summary>Reads whose result is not there yet.</summary>
    public int OutstandingCount { get; private set; }

    /// <summary>Buffer of the patient read, -1 when none is under way.</summary>
    public int PatientBuffer { get; private set; }

    /// <summary>How many frames are expected beside the one that the patient read takes.</summary>
    public int AheadCount { get; private set; }

    /// <summary>The port is being detached: nothing of it is wanted any more.</summary>
    public bool IsEnding { get; set; }

    public static PortReads None => new() { PatientBuffer = -1 };

    public void Ask() => OutstandingCount++;

    public void AskPatiently(int buffer)
    {
        OutstandingCount++;
        PatientBuffer = buffer;
    }

    public void TakeResult(bool hasFrame)
    {
        OutstandingCount--;
        _frameCount += hasFrame ? 1 : 0;
    }

    /// <summary>
    /// The patient read has its result, and with it the round is over. A frame that lay there at once means that more may lie behind it; one
    /// that had to be waited for means that so many reads were too many, each of which costs half as much as one that gets a frame.
    /// </summary>
    /// <returns>The frames of the round.</returns>
    public int EndRound(bool cameAtOnce)
    {
        int frameCount = _frameCount;
        AheadCount = cameAtOnce ? Math.Min(_frameCount + (_frameCount / 8), MaxAheadCount) : Math.Max(0, _frameCount - 2);
        PatientBuffer = -1;
        _frameCount = 0;
        return frameCount;
    }
}
