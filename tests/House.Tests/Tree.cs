namespace ClusterMesh.Datapath.House.Tests;

/// <summary>The files of the repository, found from where the tests run.</summary>
internal static class Tree
{
    private static readonly string[] s_built = ["bin", "obj", ".git"];

    public static string Root { get; } = FindRoot();

    /// <summary>All C# files below these folders ("src", "src/Io"), in the order of their paths; what the build made is not among them.</summary>
    public static IReadOnlyList<SourceFile> Sources(params string[] folders) => [.. Files(".cs", folders).Select(path => new SourceFile(path, Read(path)))];

    /// <summary>Paths relative to the root, with forward slashes.</summary>
    public static IReadOnlyList<string> Files(string extension, params string[] folders) =>
        [.. folders.SelectMany(f => Below(Path.Combine(Root, f), extension)).Select(p => Path.GetRelativePath(Root, p)).Order(StringComparer.Ordinal)];

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    /// <summary>Names of the folders in a folder, in order.</summary>
    public static IReadOnlyList<string> Folders(string path) =>
        [.. Directory.GetDirectories(Path.Combine(Root, path)).Select(p => Path.GetFileName(p)).Except(s_built).Order(StringComparer.Ordinal)];

    /// <summary>Fails with all violations at once, each a sentence.</summary>
    public static void AssertNone(IEnumerable<string> violations)
    {
        string[] all = [.. violations];
        Assert.True(all.Length == 0, $"{all.Length} broken rule(s) of the house:\n" + string.Join('\n', all));
    }

    private static IEnumerable<string> Below(string folder, string extension) => !Directory.Exists(folder)
        ? []
        : Directory.GetFiles(folder).Where(f => f.EndsWith(extension, StringComparison.Ordinal))
            .Concat(Directory.GetDirectories(folder).Where(d => !s_built.Contains(Path.GetFileName(d))).SelectMany(d => Below(d, extension)));

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Directory.Packages.props")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new DirectoryNotFoundException($"no Directory.Packages.props above {AppContext.BaseDirectory}");
    }
}
