using System.CommandLine;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>Options that several commands have.</summary>
internal static class Options
{
    /// <param name="formats">The first is the default.</param>
    public static Option<string> Output(params string[] formats)
    {
        Option<string> option = new("--output", "-o") { Description = $"Format: {string.Join(" or ", formats)}.", DefaultValueFactory = _ => formats[0] };
        return option.AcceptOnlyFromAmong(formats);
    }
}
