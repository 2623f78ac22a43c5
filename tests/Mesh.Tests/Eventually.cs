using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests;

/// <summary>Waits for what another process's answer brings about; the tests' clock is turned on meanwhile when it is given.</summary>
internal static class Eventually
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    public static async Task TrueAsync(Func<bool> condition, Func<object?> shown, FakeTimeProvider? time = null, TimeSpan? step = null)
    {
        Stopwatch waited = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(waited.Elapsed < s_limit, $"not within {s_limit.TotalSeconds} s; at the end: {shown()}");
            time?.Advance(step ?? TimeSpan.FromSeconds(1));
            await Task.Delay(5);
        }
    }
}
