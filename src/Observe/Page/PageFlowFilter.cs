using System.Globalization;
using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Names;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;
using Microsoft.AspNetCore.Http;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>What a reader of the page wants to see: a verdict, a drop reason, and words that all must stand somewhere in the flow's line.</summary>
internal sealed record PageFlowFilter(FlowVerdict? Verdict, int? Reason, string[] Words)
{
    private const int LongestText = 200;

    /// <exception cref="FilterException">A value cannot be understood.</exception>
    public static PageFlowFilter Parse(IQueryCollection query)
    {
        string verdict = query["verdict"].ToString();
        string reason = query["reason"].ToString();
        string text = query["q"].ToString();
        FlowVerdict? wanted = verdict.Length == 0 ? null
            : Enum.TryParse(verdict, ignoreCase: true, out FlowVerdict found) && Enum.IsDefined(found) && !char.IsAsciiDigit(verdict[0]) ? found
            : throw new FilterException("verdict: no such verdict; use FORWARDED, DROPPED, TRANSLATED, AUDIT, REDIRECTED, TRACED or ERROR");
        int? number = reason.Length == 0 ? null : Number(reason, "reason", 1, byte.MaxValue);
        return text.Length > LongestText
            ? throw new FilterException($"q: longer than {LongestText} characters; use fewer words")
            : new PageFlowFilter(wanted, number, text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <exception cref="FilterException">It is no number of the range.</exception>
    public static int Number(string text, string name, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most
            ? number
            : throw new FilterException($"{name}: not a number from {least} to {most}");

    public bool Matches(ObservedFlow flow) =>
        (Verdict is null || flow.Record.Verdict == Verdict)
        && (Reason is null || (flow.Record.Kind != FlowEventKind.Trace && (int)flow.Record.DropReason == Reason))
        && (Words.Length == 0 || ContainsAll(flow));

    private bool ContainsAll(ObservedFlow flow)
    {
        string line = string.Join(' ', Parts(flow));
        return Words.All(word => line.Contains(word, StringComparison.OrdinalIgnoreCase));
    }

    private static IEnumerable<string> Parts(ObservedFlow flow)
    {
        foreach ((EndpointName? name, ServiceName? service, string address) in new[]
            { (flow.Source, flow.SourceService, $"{flow.Record.Source}:{flow.Record.SourcePort}"), (flow.Destination, flow.DestinationService, $"{flow.Record.Destination}:{flow.Record.DestinationPort}") })
        {
            yield return address;
            yield return service is null ? "" : $"{service.Namespace}/{service.Name}";
            yield return name is null ? "" : $"{name.Cluster}/{name.Namespace}/{name.Pod} {string.Join(' ', name.Labels)}";
        }

        yield return FlowSummary.Of(flow.Record);
        yield return flow.Record.Protocol.ToString();
        yield return flow.Record.Kind == FlowEventKind.Trace ? "" : DropReasonText.Of((int)flow.Record.DropReason);
    }
}
