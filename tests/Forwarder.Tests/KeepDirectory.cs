namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A directory on tmpfs for one test; with it the keepers go whose sockets lie there.</summary>
internal sealed class KeepDirectory : IDisposable
{
    private static int s_count;

    public KeepDirectory() => Directory.CreateDirectory(Path);

    public string Path { get; } = $"/dev/shm/cmesh-test-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}";

    public string[] Files => [.. Directory.GetFiles(Path).Select(f => System.IO.Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
