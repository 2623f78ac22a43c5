namespace ClusterMesh.Datapath.Fuzz;

/// <summary>The inputs that are kept in the tree: a corpus for each target, and what was once a find.</summary>
internal static class Corpus
{
    public static string Root { get; } = FindRoot();

    public static string FolderOf(string target) => Path.Combine(Root, "tests", "Fuzz", "corpus", target);

    public static string RegressionsOf(string target) => Path.Combine(Root, "tests", "Fuzz", "regressions", target);

    /// <summary>Files of both, in order.</summary>
    public static IReadOnlyList<string> FilesOf(string target) =>
        [.. ((string[])[FolderOf(target), RegressionsOf(target)]).Where(Directory.Exists).SelectMany(Directory.GetFiles).Order(StringComparer.Ordinal)];

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Directory.Packages.props")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? Environment.CurrentDirectory;
    }
}
