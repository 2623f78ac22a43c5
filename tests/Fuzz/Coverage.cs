using System.Runtime.InteropServices;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>
/// Instrumented assemblies count their branches in memory from their first method on; the fuzzer's own is there only from its first input on. Until then,
/// and where there is no fuzzer, they count here.
/// </summary>
internal static class Coverage
{
    /// <summary>AFL's map: an instrumented branch has a number of 16 bits.</summary>
    private const int MapLength = 65_536;

    public static void HaveRoom() => typeof(SharpFuzz.Common.Trace).GetField("SharedMem")!.SetValue(null, Marshal.AllocHGlobal(MapLength));
}
