using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace ClusterMesh.Datapath.Observe.Text;

/// <summary>Prints what an observer answers in the forms of `hubble observe`. Flows go to the output, states of nodes to the errors.</summary>
public sealed class FlowPrinter
{
    private const string Separator = "------------";
    private const int MostNamesLength = 50;

    private static readonly JsonFormatter s_json = new(JsonFormatter.Settings.Default.WithPreserveProtoFieldNames(true));
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly TextWriter _output;
    private readonly TextWriter _errors;
    private readonly FlowTextSettings _settings;
    private readonly FlowWords _words;
    private readonly FlowTable _table;
    private bool _any;

    public FlowPrinter(TextWriter output, TextWriter errors, FlowTextSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _output = output;
        _errors = errors;
        _settings = settings;
        _words = new(settings);
        _table = new(output, settings.ShowNode ? ["TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"] : ["TIMESTAMP", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"]);
    }

    public void Write(GetFlowsResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        switch (response.ResponseTypesCase)
        {
            case GetFlowsResponse.ResponseTypesOneofCase.Flow:
                WriteFlow(response);
                break;
            case GetFlowsResponse.ResponseTypesOneofCase.LostEvents:
                WriteLost(response);
                break;
            case GetFlowsResponse.ResponseTypesOneofCase.NodeStatus:
                WriteNodes(response);
                break;
        }
    }

    /// <summary>Prints what a table still holds to learn its widths: at the end, and whenever nothing more is there at the moment.</summary>
    public void Flush()
    {
        _table.Flush();
        _output.Flush();
    }

    private void WriteFlow(GetFlowsResponse response)
    {
        Flow flow = response.Flow;
        (string source, string destination) = _words.Hosts(flow);
        switch (_settings.Format)
        {
            case FlowFormat.Table:
                _table.Add([FlowWords.Time(flow.Time), .. Node(flow.NodeName), source, destination, FlowWords.Type(flow), _words.Verdict(flow), FlowWords.Summary(flow)]);
                break;
            case FlowFormat.Dict:
                WriteBlock(
                    ("TIMESTAMP", FlowWords.Time(flow.Time)), ("NODE", _settings.ShowNode ? FlowWords.Clean(flow.NodeName) : null), ("SOURCE", source), ("DESTINATION", destination),
                    ("TYPE", FlowWords.Type(flow)), ("VERDICT", _words.Verdict(flow)), ("SUMMARY", FlowWords.Summary(flow)));
                break;
            case FlowFormat.Json:
                WriteJson(_output, flow);
                break;
            case FlowFormat.JsonPb:
                WriteJson(_output, response);
                break;
            default:
                string node = _settings.ShowNode ? $" [{FlowWords.Clean(flow.NodeName)}]" : "";
                string left = $"{source} {_words.Identity(flow.Source)}";
                string right = $"{destination} {_words.Identity(flow.Destination)}";
                string between = flow.IsReply switch
                {
                    null => $"{left} <> {right}",
                    true => $"{right} <- {left}",
                    false => $"{left} -> {right}",
                };
                _output.Write($"{FlowWords.Time(flow.Time)}{node}: {between} {FlowWords.Type(flow)} {_words.Verdict(flow)} ({FlowWords.Summary(flow)})\n");
                break;
        }
    }

    private void WriteLost(GetFlowsResponse response)
    {
        LostEvent lost = response.LostEvents;
        string source = lost.Source switch
        {
            LostEventSource.PerfEventRingBuffer => "PERF_EVENT_RING_BUFFER",
            LostEventSource.ObserverEventsQueue => "OBSERVER_EVENTS_QUEUE",
            LostEventSource.HubbleRingBuffer => "HUBBLE_RING_BUFFER",
            _ => "UNKNOWN_LOST_EVENT_SOURCE",
        };
        string summary = string.Create(CultureInfo.InvariantCulture, $"CPU({lost.Cpu ?? 0}) - {lost.NumEventsLost}");
        switch (_settings.Format)
        {
            case FlowFormat.Table:
                _table.Add([FlowWords.Time(response.Time), .. Node(response.NodeName), source, "", "EVENTS LOST", "", summary]);
                break;
            case FlowFormat.Dict:
                WriteBlock(
                    ("TIMESTAMP", FlowWords.Time(response.Time)), ("NODE", _settings.ShowNode ? FlowWords.Clean(response.NodeName) : null), ("SOURCE", source),
                    ("TYPE", "EVENTS LOST"), ("VERDICT", ""), ("SUMMARY", summary));
                break;
            case FlowFormat.Json:
                WriteJson(_output, lost);
                break;
            case FlowFormat.JsonPb:
                WriteJson(_output, response);
                break;
            default:
                _output.Write(string.Create(CultureInfo.InvariantCulture, $"EVENTS LOST: {source} CPU({lost.Cpu ?? 0}) {lost.NumEventsLost}\n"));
                break;
        }
    }

    private void WriteNodes(GetFlowsResponse response)
    {
        NodeStatusEvent status = response.NodeStatus;
        bool failure = status.StateChange is NodeState.NodeUnavailable or NodeState.NodeError;
        if (!failure && !_settings.ShowAllNodeStates)
        {
            return;
        }

        if (_settings.Format is FlowFormat.Json or FlowFormat.JsonPb)
        {
            WriteJson(_errors, response);
            return;
        }

        string names = Join(status.NodeNames);
        int count = status.NodeNames.Count;
        string text = status.StateChange switch
        {
            NodeState.NodeConnected => $"Receiving flows from {count} nodes: {names}",
            NodeState.NodeUnavailable => $"{count} nodes are unavailable: {names}",
            NodeState.NodeGone => $"{count} nodes removed from cluster: {names}",
            NodeState.NodeError => $"Error \"{status.Message}\" on {count} nodes: {names}",
            _ => $"unknown node status event: {status.StateChange}",
        };
        _errors.Write($"{FlowWords.Time(response.Time)} [{FlowWords.Clean(response.NodeName)}]: {FlowWords.Clean(text)}\n");
    }

    private void WriteBlock(params ReadOnlySpan<(string Key, string? Value)> lines)
    {
        if (_any)
        {
            _output.Write(Separator + "\n");
        }

        _any = true;
        foreach ((string key, string? value) in lines)
        {
            if (value is not null)
            {
                _output.Write($"{key,11}: {value}\n");
            }
        }
    }

    private string[] Node(string name) => _settings.ShowNode ? [FlowWords.Clean(name)] : [];

    // Names until the line is long enough, then how many more there are.
    private static string Join(RepeatedField<string> names)
    {
        int length = 0;
        int shown = names.TakeWhile((name, index) => (length += name.Length + 2) <= MostNamesLength || index == 0).Count();
        string joined = string.Join(", ", names.Take(shown));
        return shown == names.Count ? joined : $"{joined} (and {names.Count - shown} more)";
    }

    private static void WriteJson(TextWriter writer, IMessage message) => writer.Write(JsonNode.Parse(s_json.Format(message))!.ToJsonString(s_plain) + "\n");
}
