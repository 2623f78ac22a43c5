namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// How many ICMP answers each port may cause: a token bucket for each kind, so that neither a port that floods nor a flood of another kind
/// takes path MTU discovery from the others (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f). One owner: the worker.
/// </summary>
public sealed class IcmpLimiter
{
    /// <summary>As Linux limits a host's (icmp_msgs_per_sec, icmp_msgs_burst).</summary>
    public const int PerSecond = 1000;

    public const int BurstCount = 50;

    private const int KindCount = 4;
    private const long IntervalNanoseconds = 1_000_000_000 / PerSecond;

    /// <summary>When a bucket will be full again (the generic cell rate algorithm's theoretical arrival time).</summary>
    private readonly long[] _fullAt = new long[Port.MaxCount * KindCount];
    private readonly ulong[] _sent = new ulong[KindCount];
    private readonly ulong[] _limited = new ulong[KindCount];

    /// <summary>Answers of a kind that left.</summary>
    public ulong SentCount(IcmpAnswerKind kind) => _sent[(int)kind];

    /// <summary>Answers of a kind that were due and not given.</summary>
    public ulong LimitedCount(IcmpAnswerKind kind) => _limited[(int)kind];

    /// <summary>Takes a token; false, and counted, when the bucket is empty.</summary>
    public bool TryTake(int port, IcmpAnswerKind kind, MonoTime now)
    {
        ref long fullAt = ref _fullAt[(port * KindCount) + (int)kind];
        if (fullAt - now.Nanoseconds > (BurstCount - 1) * IntervalNanoseconds)
        {
            _limited[(int)kind]++;
            return false;
        }

        fullAt = Math.Max(fullAt, now.Nanoseconds) + IntervalNanoseconds;
        return true;
    }

    public void CountSent(IcmpAnswerKind kind) => _sent[(int)kind]++;
}
