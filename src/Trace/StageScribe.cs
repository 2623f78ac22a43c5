using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Trace;

/// <summary>Writes down what each stage does to a packet: notes what the tables know before it, puts into words what it made of it.</summary>
internal sealed class StageScribe(StageWords words, Snapshot s, LiveTables live, StateWants wants, MonoTime now)
{
    private StageFacts? _open;

    public List<TraceStep> Steps { get; } = [];

    /// <summary>Of the stage in which the packet ended, or of the last.</summary>
    public StageFacts? Last { get; private set; }

    public bool Enters(PipelineStage stage, in PacketContext p, Verdict v)
    {
        Close(p, v);
        if (v == Verdict.Continue)
        {
            _open = StageFacts.Before(stage, p, s, live, wants, now);
        }

        return v == Verdict.Continue;
    }

    /// <summary>Behind the last stage.</summary>
    public void Close(in PacketContext p, Verdict v)
    {
        if (_open is { } facts)
        {
            Last = facts;
            _open = null;
            (string lookup, string result) = words.Of(facts, p, v);
            Steps.Add(new TraceStep(facts.Stage.ToString(), lookup, result, p.Key == facts.Key || p.Key == default ? null : p.Key.ToString()));
        }
    }
}
