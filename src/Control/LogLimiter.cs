using System.Globalization;
using System.Text;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// All log lines of a program, so that nobody who sends packets or requests can fill its log: of lines that are alike but for numbers and what is
/// quoted, so many pass in ten seconds; the rest is counted and told in one line. Kinds of lines are limited too: past them all are alike. Any thread.
/// </summary>
public sealed class LogLimiter(Action<string> write, TimeProvider time) : IDisposable
{
    /// <summary>Lines of a kind that pass in each interval.</summary>
    public const int PerInterval = 5;

    /// <summary>Kinds of lines that are told apart in an interval.</summary>
    public const int MostKinds = 100;

    public const int IntervalSeconds = 10;

    /// <summary>A kind is told by so much of its lines: longer ones are alike if they begin alike.</summary>
    private const int KindLength = 120;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Kind> _kinds = [];
    private ITimer? _timer;
    private bool _isEnded;

    /// <summary>Writes a line, or counts it.</summary>
    public void Write(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        lock (_gate)
        {
            string name = KindOf(line);
            if (!_kinds.TryGetValue(name, out Kind? kind))
            {
                name = _kinds.Count < MostKinds ? name : "";
                kind = _kinds.GetValueOrDefault(name) ?? (_kinds[name] = new Kind());
            }

            if (!_isEnded)
            {
                _timer ??= time.CreateTimer(_ => EndInterval(), null, TimeSpan.FromSeconds(IntervalSeconds), Timeout.InfiniteTimeSpan);
            }

            if (kind.Written < PerInterval)
            {
                kind.Written++;
                write(line);
                return;
            }

            kind.Last = line;
            kind.Suppressed++;
        }
    }

    /// <summary>Tells what is still counted; lines that come later are written and counted as before, but nothing is told of them.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isEnded = true;
        }

        EndInterval();
    }

    /// <summary>Numbers, addresses among them, are all alike, and so is what stands in quotes: it is mostly a client's own.</summary>
    private static string KindOf(string line)
    {
        var kind = new StringBuilder(Math.Min(line.Length, KindLength));
        char quote = '\0';
        foreach (char c in line)
        {
            if (kind.Length == KindLength)
            {
                break;
            }

            if (quote != '\0')
            {
                quote = c == quote ? '\0' : quote;
            }
            else if (c is '\'' or '"')
            {
                quote = c;
                kind.Append('_');
            }
            else if (!char.IsAsciiDigit(c))
            {
                kind.Append(c);
            }
            else if (kind.Length == 0 || kind[^1] != '#')
            {
                kind.Append('#');
            }
        }

        return kind.ToString();
    }

    private void EndInterval()
    {
        lock (_gate)
        {
            _timer?.Dispose();
            _timer = null;
            foreach (Kind kind in _kinds.Values.Where(k => k.Suppressed > 0))
            {
                write(string.Create(CultureInfo.InvariantCulture, $"… and {kind.Suppressed:N0} more like this in {IntervalSeconds} s: {kind.Last}"));
            }

            _kinds.Clear();
        }
    }

    private sealed class Kind
    {
        public int Written { get; set; }

        public long Suppressed { get; set; }

        public string Last { get; set; } = "";
    }
}
