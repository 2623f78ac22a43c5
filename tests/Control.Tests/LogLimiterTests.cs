using System.Globalization;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>However many lines are asked for, few are written, and the rest is told as a number.</summary>
public sealed class LogLimiterTests
{
    private readonly List<string> _written = [];
    private readonly HandClock _clock = new();

    [Fact]
    public void Lines_that_are_alike_are_counted_and_told_in_one()
    {
        using var limiter = new LogLimiter(_written.Add, _clock);
        for (int i = 0; i < 1239; i++)
        {
            limiter.Write($"control socket: 10.0.0.{i % 250}: 'name{i}' is no object, line {i}");
        }

        Assert.Equal(LogLimiter.PerInterval, _written.Count);
        limiter.Write("something else");
        Assert.Equal("something else", _written[^1]);
        _clock.Pass(LogLimiter.IntervalSeconds);
        Assert.Equal("… and 1,234 more like this in 10 s: control socket: 10.0.0.238: 'name1238' is no object, line 1238", _written[^1]);

        // A new interval begins with its next line.
        int count = _written.Count;
        limiter.Write("control socket: 10.0.0.1: 'x' is no object, line 1");
        Assert.Equal(count + 1, _written.Count);
        _clock.Pass(LogLimiter.IntervalSeconds);
        Assert.Equal(count + 1, _written.Count);
    }

    [Fact]
    public void Lines_of_ever_other_words_are_limited_together()
    {
        using var limiter = new LogLimiter(_written.Add, _clock);
        for (int i = 0; i < 100_000; i++)
        {
            limiter.Write(string.Create(CultureInfo.InvariantCulture, $"{Word(i)} fails"));
        }

        Assert.InRange(_written.Count, LogLimiter.MostKinds, LogLimiter.MostKinds * (LogLimiter.PerInterval + 1));
        _clock.Pass(LogLimiter.IntervalSeconds);
        Assert.StartsWith("… and 99,", _written[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_still_counted_at_the_end_is_told()
    {
        var limiter = new LogLimiter(_written.Add, _clock);
        for (int i = 0; i < 8; i++)
        {
            limiter.Write("again");
        }

        limiter.Dispose();
        Assert.Equal("… and 3 more like this in 10 s: again", _written[^1]);
    }

    [Fact]
    public void Many_threads_lose_no_line()
    {
        using var limiter = new LogLimiter(_written.Add, _clock);
        Parallel.For(0, 10_000, _ => limiter.Write("alike"));
        _clock.Pass(LogLimiter.IntervalSeconds);
        Assert.Equal("… and 9,995 more like this in 10 s: alike", _written[^1]);
    }

    private static string Word(int number)
    {
        char[] letters = new char[4];
        for (int i = 0; i < letters.Length; i++, number /= 26)
        {
            letters[i] = (char)('a' + (number % 26));
        }

        return new string(letters);
    }

    /// <summary>A clock that is set by hand, with one timer that rings when as much time has passed at once.</summary>
    private sealed class HandClock : TimeProvider
    {
        private Action _ring = () => { };
        private TimeSpan _due;

        public void Pass(int seconds)
        {
            if (_due.TotalSeconds <= seconds)
            {
                _ring();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            _due = dueTime;
            _ring = () => callback(state);
            return new HandTimer(() => _ring = () => { });
        }

        private sealed class HandTimer(Action stop) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => false;

            public void Dispose() => stop();

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
