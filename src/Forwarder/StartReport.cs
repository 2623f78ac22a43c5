namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// How the start goes, for whoever started this process and watches over it (cmesh upgrade): lines in the file that CMESH_START_REPORT names,
/// <c>waited MILLISECONDS</c> behind a takeover, <c>up</c>, or <c>failed SENTENCE</c>.
/// </summary>
internal static class StartReport
{
    private static readonly string? s_path = Environment.GetEnvironmentVariable("CMESH_START_REPORT");

    public static void Write(string line)
    {
        try
        {
            if (!string.IsNullOrEmpty(s_path) && File.Exists(s_path))
            {
                File.AppendAllText(s_path, line + "\n");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.Write($"{s_path}: {e.Message}");
        }
    }
}
