using System.Text;

namespace ClusterMesh.Datapath.Fuzz.Mutation;

/// <summary>
/// Makes malformed YAML of good: moves, repeats, cuts and indents lines, puts values in the place of others, and anchors, brackets and bytes where nobody expects
/// them. The same seed gives the same texts.
/// </summary>
internal sealed class TextMutator(Random random)
{
    private static readonly string[] s_values =
    [
        "", "null", "~", "true", "-1", "0", "65536", "4294967296", "18446744073709551616", "1e999", "0x7fffffff", "NaN", "[]", "{}", "[[[[[]]]]]", "{a: {b: {c: {}}}}", "*x", "&x", "!!binary aGk=", "<<",
        "'", "\"", "\"\\ud800\"", "\"\\U00110000\"", "|", ">-", "10.0.0.300", "10.0.0.0/33", "::ffff:10.0.0.1", "fe80::1%eth0", "fd00::/129", "ff:ff:ff:ff:ff:ff", "a/b/c", "../..", "\u2028", "\ufeff", "\0",
        "é", "\ud83d\ude00", "{", "}", "[", "]", ":", "-", "- -", "? x", "%YAML 9.9", "---", "...", "#",
    ];

    private const string Nasty = "{}[]:-#&*!|>'\"%@`\t \\\n\r,?~<=.0129aexuU/_\0\u0007\u0085\u00e9\u2028\ud83d\ude00\ufeff";

    public string Next(string text)
    {
        List<string> lines = [.. text.Split('\n')];
        for (int count = random.Next(1, 5); count > 0 && lines.Count > 0; count--)
        {
            Hurt(lines);
        }

        return random.Next(40) switch
        {
            0 => new string("[{- "[random.Next(4)], random.Next(1, 3000)) + string.Join('\n', lines),
            1 => string.Concat(Enumerable.Repeat("{a: ", random.Next(1, 3000))),
            2 => string.Join('\n', lines) + "\n---\n" + text,
            3 => string.Join("\r\n", lines),
            _ => string.Join('\n', lines),
        };
    }

    /// <summary>Bytes in place of characters: what a disk or a wrong encoding makes of a text.</summary>
    public byte[] NextBytes(byte[] bytes)
    {
        byte[] hurt = [.. bytes];
        for (int count = random.Next(1, 6); count > 0 && hurt.Length > 0; count--)
        {
            int at = random.Next(hurt.Length);
            hurt = random.Next(5) switch
            {
                0 => hurt[..at],
                1 => [.. hurt[..at], .. hurt[at..].Reverse()],
                2 => [.. hurt[..at], (byte)random.Next(256), .. hurt[at..]],
                3 => [.. hurt[..at], .. hurt[random.Next(at + 1)..at], .. hurt[at..]],
                _ => [.. hurt[..at], (byte)(hurt[at] ^ (1 << random.Next(8))), .. hurt[(at + 1)..]],
            };
        }

        return hurt;
    }

    private void Hurt(List<string> lines)
    {
        int at = random.Next(lines.Count);
        string line = lines[at];
        switch (random.Next(10))
        {
            case 0:
                lines.RemoveAt(at);
                break;
            case 1:
                lines.Insert(at, lines[random.Next(lines.Count)]);
                break;
            case 2:
                lines[at] = new string(' ', random.Next(6)) + (random.Next(2) == 0 ? line : line.TrimStart());
                break;
            case 3:
                lines[at] = line[..random.Next(line.Length + 1)];
                break;
            case 4:
                lines[at] = line.Insert(random.Next(line.Length + 1), Nasty[random.Next(Nasty.Length)].ToString());
                break;
            case 5 or 6:
                int colon = line.IndexOf(": ", StringComparison.Ordinal);
                lines[at] = colon < 0 ? line + s_values[random.Next(s_values.Length)] : line[..(colon + 2)] + s_values[random.Next(s_values.Length)];
                break;
            case 7:
                string[] words = line.Split(' ');
                words[random.Next(words.Length)] = s_values[random.Next(s_values.Length)];
                lines[at] = string.Join(' ', words);
                break;
            case 8:
                (lines[at], int other) = (lines[random.Next(lines.Count)], random.Next(lines.Count));
                lines[other] = line;
                break;
            default:
                var garbled = new StringBuilder(line);
                for (int i = random.Next(4); i > 0 && garbled.Length > 0; i--)
                {
                    garbled[random.Next(garbled.Length)] = Nasty[random.Next(Nasty.Length)];
                }

                lines[at] = garbled.ToString();
                break;
        }
    }
}
