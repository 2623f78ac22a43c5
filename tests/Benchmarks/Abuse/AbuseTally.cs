using System.Collections.Concurrent;
using System.Diagnostics;

namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>What became of the requests and clients of one socket. Called from many threads.</summary>
/// <param name="requests">Malformed requests that are to be sent.</param>
internal sealed class AbuseTally(string socketPath, int requests)
{
    private readonly ConcurrentDictionary<string, int> _turns = new();
    private readonly long _began = Stopwatch.GetTimestamp();
    private int _claimed;
    private int _answered;
    private int _parted;
    private int _unanswered;
    private double _seconds;

    public string SocketPath => socketPath;

    /// <summary>Every request had its line of an answer.</summary>
    public bool IsAnswered => _answered == requests && _unanswered == 0;

    /// <summary>How many the caller is to send; 0 when all are sent.</summary>
    public int Claim(int most)
    {
        int before = Interlocked.Add(ref _claimed, most) - most;
        return Math.Clamp(requests - before, 0, most);
    }

    public void Answered(int count, bool isParted)
    {
        Interlocked.Add(ref _answered, count);
        if (isParted)
        {
            Interlocked.Increment(ref _parted);
        }
    }

    /// <summary>They were sent, and no line came for them.</summary>
    public void Unanswered(int count) => Interlocked.Add(ref _unanswered, count);

    /// <summary>One turn of another kind of client is over.</summary>
    public void Count(string client) => _turns.AddOrUpdate(client, 1, (_, count) => count + 1);

    /// <summary>The malformed requests are done.</summary>
    public void End() => _seconds = Stopwatch.GetElapsedTime(_began).TotalSeconds;

    public AbuseReport Report() => new(
        socketPath, requests, _answered, _unanswered, _parted, Math.Round(_seconds, 1), (int)(_answered / Math.Max(_seconds, 0.001)),
        new SortedDictionary<string, int>(_turns, StringComparer.Ordinal));
}
