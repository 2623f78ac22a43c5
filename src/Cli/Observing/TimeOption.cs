using System.Globalization;
using Google.Protobuf.WellKnownTypes;

namespace ClusterMesh.Datapath.Cli.Observing;

/// <summary>A moment as people write it: now, 90s or 1h30m ago, or a date with time.</summary>
internal static class TimeOption
{
    /// <exception cref="UsageException">It cannot be understood.</exception>
    public static Timestamp Parse(string option, string text, DateTimeOffset now)
    {
        if (text == "now")
        {
            return Timestamp.FromDateTimeOffset(now);
        }

        if (TryParseDuration(text, out TimeSpan ago))
        {
            return Timestamp.FromDateTimeOffset(now - ago);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset moment)
            ? Timestamp.FromDateTimeOffset(moment)
            : throw new UsageException($"{option}: '{text}' is no time; give a duration like 5m, or a time like 2026-11-23T05:02:07Z");
    }

    private static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsAsciiDigit(text[i]) || text[i] == '.')
            {
                continue;
            }

            if (!double.TryParse(text.AsSpan(start, i - start), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double count))
            {
                return false;
            }

            bool isMilli = text[i] == 'm' && i + 1 < text.Length && text[i + 1] == 's';
            double seconds = isMilli ? 0.001 : text[i] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86_400, _ => double.NaN };
            if (double.IsNaN(seconds) || count * seconds > TimeSpan.FromDays(3650).TotalSeconds)
            {
                return false;
            }

            duration += TimeSpan.FromSeconds(count * seconds);
            i += isMilli ? 1 : 0;
            start = i + 1;
        }

        return start == text.Length && start > 0;
    }
}
