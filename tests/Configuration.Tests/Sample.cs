namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>The worker of west as a file, and ways to change it.</summary>
internal static class Sample
{
    public static string WestWorker { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "west-worker.yaml"));

    public static NodeFile Parse() => NodeFile.Parse("west-worker.yaml", WestWorker);

    /// <summary>The file with one text replaced; the test is wrong when the text is not there once.</summary>
    public static string With(string old, string replacement)
    {
        int at = WestWorker.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, $"the sample has no '{old}'");
        return WestWorker[..at] + replacement + WestWorker[(at + old.Length)..];
    }
}
