namespace ClusterMesh.Datapath.Fuzz;

/// <summary>
/// Where targets keep files while they run, on tmpfs: CMESH_FUZZ_DIRECTORY, which whoever set it removes (a fuzzer kills its targets), or a directory of the
/// process's own, gone with it.
/// </summary>
internal static class Workplace
{
    private static readonly Lazy<string> s_directory = new(Make);

    public static string Directory => s_directory.Value;

    private static string Make()
    {
        if (Environment.GetEnvironmentVariable("CMESH_FUZZ_DIRECTORY") is { Length: > 0 } given)
        {
            string own = Path.Combine(given, $"{Environment.ProcessId}");
            System.IO.Directory.CreateDirectory(own);
            return own;
        }

        string made = Path.Combine("/dev/shm", $"cmesh-fuzz-{Environment.ProcessId}");
        System.IO.Directory.CreateDirectory(made);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => System.IO.Directory.Delete(made, recursive: true);
        return made;
    }
}
