using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace ClusterMesh.Datapath.Benchmarks.Micro;

/// <summary>The cases under BenchmarkDotNet: <c>dotnet run -c Release --project tests/Benchmarks micro</c>, with a part of a name for some of them.</summary>
[MemoryDiagnoser]
public class MicroBenchmark
{
    private static string s_part = "";
    private Func<long> _work = () => 0;

    [ParamsSource(nameof(Cases))]
    public MicroCase Case { get; set; } = null!;

    public static IEnumerable<MicroCase> Cases => MicroCases.All().Where(c => c.Name.Contains(s_part, StringComparison.Ordinal));

    public static void Run(string part)
    {
        s_part = part;
        ManualConfig config = DefaultConfig.Instance
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .WithOptions(ConfigOptions.DisableOptimizationsValidator | ConfigOptions.DisableLogFile)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "cmesh-benchmarks"));
        BenchmarkRunner.Run<MicroBenchmark>(config);
    }

    [GlobalSetup]
    public void Prepare() => _work = Case.Prepare();

    [Benchmark(OperationsPerInvoke = MicroCase.OperationCount)]
    public long Operation() => _work();
}
