using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>A trace as cmesh prints it: a paragraph for each node, a line for each stage, and what came of it at the end.</summary>
internal static class TraceText
{
    private const int BytesPerLine = 16;
    private const int StageWidth = 10;

    public static IEnumerable<string> Of(TraceReport report, bool hasHex)
    {
        foreach (TraceResult result in report.Forth)
        {
            foreach (string line in Of(result, "", hasHex))
            {
                yield return line;
            }
        }

        foreach (TraceResult result in report.Back)
        {
            foreach (string line in Of(result, ", the answer", hasHex))
            {
                yield return line;
            }
        }

        yield return report.Summary;
        foreach (string advice in report.Forth.Concat(report.Back).Select(r => r.Packets[^1]).Select(p => p.Advice).OfType<string>().Where(a => a.Length > 0))
        {
            yield return $"To do: {advice}";
        }

        foreach (string remark in report.Forth.SelectMany(r => r.Packets[^1].Remarks))
        {
            yield return $"Note: {remark}";
        }

        if (report.AnswerSummary.Length > 0)
        {
            yield return report.AnswerSummary;
        }
    }

    private static IEnumerable<string> Of(TraceResult result, string what, bool hasHex)
    {
        PacketTrace packet = result.Packets[^1];
        string worker = packet.Worker == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", worker-{packet.Worker}");
        yield return string.Create(CultureInfo.InvariantCulture, $"{result.Cluster}/{result.Node}{what} (configuration {result.Version}{worker})");
        yield return $"  {"in",-StageWidth} {packet.In}: {packet.Packet}";
        foreach (string line in hasHex ? Hex(packet.ReceivedFrame) : [])
        {
            yield return line;
        }

        foreach (TraceStep step in packet.Steps)
        {
            yield return $"  {step.Stage,-StageWidth} {step.Lookup}: {step.Result}";
            if (step.Flow is not null && step.Stage != "Parse")
            {
                yield return $"  {"",-StageWidth} now {step.Flow}";
            }
        }

        if (packet.Out is not null)
        {
            yield return $"  {"out",-StageWidth} {packet.Out}: {packet.LeavingPacket}";
        }

        foreach (string line in hasHex && packet.LeavingFrame is not null ? Hex(packet.LeavingFrame) : [])
        {
            yield return line;
        }

        foreach (string beside in packet.Beside)
        {
            yield return $"  {"beside",-StageWidth} {beside}";
        }

        yield return $"  {packet.Verdict,-StageWidth} {packet.Summary}";
        yield return "";
    }

    private static IEnumerable<string> Hex(string frame)
    {
        for (int at = 0; at < frame.Length; at += BytesPerLine * 2)
        {
            var line = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"  {"",-StageWidth} {at / 2:x4} "));
            for (int i = at; i < Math.Min(frame.Length, at + (BytesPerLine * 2)); i += 2)
            {
                line.Append(' ').Append(frame, i, 2);
            }

            yield return line.ToString();
        }
    }
}
