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
        int best = Math.Max(1, name.Length / 2) + 1;
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

    /// <summary>Letters inserted, left out, replaced or exchanged with their neighbour (optimal string alignment).</summary>
    private static int Distance(string left, string right)
    {
        int[,] table = new int[left.Length + 1, right.Length + 1];
        for (int i = 0; i <= left.Length; i++)
        {
            for (int j = 0; j <= right.Length; j++)
            {
                table[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(table[i - 1, j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1), Math.Min(table[i - 1, j], table[i, j - 1]) + 1);
                if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
                {
                    table[i, j] = Math.Min(table[i, j], table[i - 2, j - 2] + 1);
                }
            }
        }

        return table[left.Length, right.Length];
    }
}
