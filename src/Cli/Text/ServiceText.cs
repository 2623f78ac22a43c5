using System.Globalization;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>How a service chooses, in words.</summary>
internal static class ServiceText
{
    /// <summary>Where values begin.</summary>
    private const int Column = 13;

    public static IEnumerable<string> Maglev(MaglevResult result)
    {
        string use = result.Used ? "in use" : "not in use: backends are chosen at random, or by a table of another size";
        return
        [
            Line("Service:", result.Service),
            Line("Frontend:", result.Frontend),
            Line("Table:", string.Create(CultureInfo.InvariantCulture, $"{result.TableSize} entries, seed {result.HashSeed}, {use}")),
            .. TextTable.Align(
            [
                ["ID", "BACKEND", "WEIGHT", "ENTRIES", "SHARE"],
                .. result.Backends.Select(b => (string[])[$"{b.Id}", b.Backend, $"{b.Weight}", $"{b.Entries}", (100.0 * b.Entries / result.TableSize).ToString("0.00", CultureInfo.InvariantCulture) + "%"]),
            ]),
        ];
    }

    public static IEnumerable<string> Select(SelectResult result) =>
    [
        Line("Service:", result.Service),
        Line("Frontend:", result.Frontend),
        Line("Client:", $"{result.From} ({result.Client})"),
        Line("Backend:", result.Backend is { } backend ? $"{backend} (id {result.BackendId})" : result.Candidates.Count > 0 ? $"one of {string.Join(", ", result.Candidates)}" : "none"),
        Line("Why:", result.Reason),
    ];

    private static string Line(string label, string value) => label.PadRight(Column) + value;
}
