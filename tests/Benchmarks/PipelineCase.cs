using System.Globalization;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>What the flows of a <see cref="PipelineRun"/> are.</summary>
/// <param name="IsMasqueraded">The backends are outside: the source is translated too.</param>
internal sealed record PipelineCase(int FlowCount, bool IsMasqueraded, bool HasShortcut)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{FlowCount:n0} flows, {(IsMasqueraded ? "DNAT and SNAT" : "DNAT")}, {(HasShortcut ? "shortcut" : "stages")}");
}
