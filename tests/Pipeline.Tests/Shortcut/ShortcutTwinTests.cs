using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Pipeline.Tests.Fuzz;
using ClusterMesh.Datapath.Testing;
using CsCheck;

namespace ClusterMesh.Datapath.Pipeline.Tests.Shortcut;

/// <summary>Nobody can tell whether a node has the shortcut: bytes, verdicts, rows, timers, counters and dice are the same (docs/decisions/0010).</summary>
public sealed class ShortcutTwinTests
{
    private const int HistoryCount = 150;
    private const int HostileCount = 60_000;

    /// <summary>CsCheck prints the seed of a history that differs, and makes it shorter first.</summary>
    [Fact]
    public void Random_histories_are_the_same_with_and_without()
    {
        long taken = 0;
        long happened = 0;
        Gen.Int.Array[200, 800].Sample(
            history =>
            {
                var twins = new TwinNodes(seed: (ulong)history.Length);
                var story = new TwinHistory(twins);
                foreach (int what in history)
                {
                    story.Happen(what);
                }

                twins.CompareDice();
                Interlocked.Add(ref taken, (long)twins.TakenCount);
                Interlocked.Add(ref happened, history.Length);
            },
            iter: HistoryCount,
            threads: 1);
        TestContext.Current.SendDiagnosticMessage("{0} packets took the shortcut in {1} steps", taken, happened);
        Assert.True(taken > happened / 4, $"only {taken} packets in {happened} steps took the shortcut: this test tests the stages alone");
    }

    /// <summary>The fuzz test's frames, each some times over, so that their flows are established.</summary>
    [Fact]
    public void Hostile_frames_meet_the_same_with_and_without()
    {
        const int Seed = 4711;
        var random = new Random(Seed);
        var twins = new TwinNodes(Seed, conntrackCapacity: 512, snatCapacity: 128);
        var mutator = new FrameMutator(SeedFrame.All(twins.Without), random);
        for (int i = 0; i < HostileCount; i++)
        {
            SeedFrame frame = mutator.Next();
            for (int times = random.Next(1, 4); times > 0; times--)
            {
                twins.Send(new SentFrame(frame.Port, frame.Bytes, frame.Offload));
            }

            if (i % 500 == 0)
            {
                twins.Do(node => node.Wait(1));
                twins.Tick();
            }
        }

        Assert.True(twins.TakenCount > HostileCount / 20, $"only {twins.TakenCount} took the shortcut");
    }

    [Fact]
    public void An_entry_has_the_size_that_it_says()
    {
        Assert.Equal(ShortcutEntry.Length, Unsafe.SizeOf<ShortcutEntry>());
        Assert.Equal(120, ShortcutEntry.Length);
    }

    /// <summary>Every scenario runs with the shortcut; here all run in a process without it.</summary>
    [Fact]
    public void Every_scenario_passes_without_the_shortcut()
    {
        Assert.SkipUnless(TestNode.HasShortcut, "this is the process without the shortcut");
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo(Environment.ProcessPath!, "-namespace \"*Scenarios\"")
            {
                RedirectStandardOutput = true,
                Environment = { ["CMESH_SHORTCUT"] = "off" },
            })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0 && output.Contains("Failed: 0", StringComparison.Ordinal), output);
    }
}
