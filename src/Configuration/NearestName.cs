namespace ClusterMesh.Datapath.Configuration;

/// <summary>What a mistyped field name was probably meant to be.</summary>
internal static class NearestName
{
    /// <summary>Longer names are no typing mistakes, and comparing them would cost.</summary>
    private const int LengthLimit = 64;

    /// <summary>The known name with the fewest letters wrong, letter case left aside; null when none is near.</summary>
    public static string? Of(string name, IReadOnlyList<string> known)
    {
        if (name.Length > LengthLimit)
        {
            return null;
        }

        string? nearest = null;
        int best = Math.Max(1, name.Length / 3) + 1;
        foreach (string candidate in known)
        {
            int distance = Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant());
            if (distance < best)
            {
                best = distance;
                nearest = candidate;
            }
        }

        return nearest;
    }

    /// <summary>Levenshtein's: letters inserted, left out or replaced.</summary>
    private static int Distance(string left, string right)
    {
        int[] row = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int replaced = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[right.Length];
    }
}
