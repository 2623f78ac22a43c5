using ClusterMesh.Datapath.Fuzz.Targets;

namespace ClusterMesh.Datapath.Fuzz;

/// <summary>All targets, and the assemblies whose branches the fuzzer follows; each target is made when it is asked for.</summary>
internal static class FuzzTargets
{
    private static readonly SortedDictionary<string, (string[] Assemblies, Func<FuzzTarget> Make)> s_all = new(StringComparer.Ordinal)
    {
        ["control"] = ([Own("Control"), Own("Configuration"), Own("State"), Own("Trace"), "cmesh-forwarder.dll"], () => new ControlTarget()),
        ["flowfile"] = ([Own("Io"), Own("Pipeline")], () => new FlowFileTarget()),
        ["frame"] = ([Own("Wire"), Own("Pipeline"), Own("Replay")], () => new FrameTarget()),
        ["pipeline"] = ([Own("Wire"), Own("Pipeline"), Own("State")], () => new PipelineTarget()),
        ["records"] = ([Own("Mesh"), Own("Wire")], () => new RecordsTarget()),
        ["segments"] = ([Own("Wire"), Own("Pipeline")], () => new SegmentsTarget()),
        ["yaml"] = ([Own("Configuration"), Own("State"), Own("Mesh"), "cmesh-agent.dll", "YamlDotNet.dll"], () => new YamlTarget()),
    };

    public static IReadOnlyCollection<string> Names => s_all.Keys;

    public static IReadOnlyList<string> AssembliesOf(string name) => s_all[name].Assemblies;

    public static FuzzTarget? Make(string name) => s_all.TryGetValue(name, out (string[], Func<FuzzTarget> Make) target) ? target.Make() : null;

    private static string Own(string project) => $"ClusterMesh.Datapath.{project}.dll";
}
