using System.CommandLine;

namespace ClusterMesh.Datapath.Cli;

/// <summary>What to say to a command that does not exist: the one that was most likely meant.</summary>
internal static class UnknownCommand
{
    /// <summary>More letters than these wrong, and it is another word.</summary>
    private const int MostWrong = 2;

    /// <summary>The control protocol's words, where the command is called as Cilium calls it.</summary>
    private static readonly Dictionary<string, string> s_commandOf = new()
    {
        ["conntrack"] = "ct",
        ["snat"] = "nat",
        ["masquerade"] = "ipmasq",
        ["counter"] = "counters",
    };

    /// <summary>Null when the command is known. A request for help does not excuse it: the help of another command would be no answer.</summary>
    public static string? Describe(ParseResult parsed)
    {
        Command parent = parsed.CommandResult.Command;
        if (parent.Subcommands.Count == 0 || parsed.UnmatchedTokens is not [string word, ..] || word.StartsWith('-'))
        {
            return null;
        }

        string[] known = [.. parent.Subcommands.Where(command => !command.Hidden).Select(command => command.Name)];
        string? meant = s_commandOf.TryGetValue(word, out string? said) && known.Contains(said)
            ? said
            : known.Select(name => (Name: name, Wrong: Distance(word, name))).Where(guess => guess.Wrong <= MostWrong).OrderBy(guess => guess.Wrong).FirstOrDefault().Name;
        return $"there is no command '{word}'; " + (meant is null ? $"there are {string.Join(", ", known)}" : $"did you mean '{meant}'?");
    }

    /// <summary>Letters to insert, remove or replace (Levenshtein).</summary>
    private static int Distance(string from, string to)
    {
        int[] row = [.. Enumerable.Range(0, to.Length + 1)];
        for (int i = 1; i <= from.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (from[i - 1] == to[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[to.Length];
    }
}
