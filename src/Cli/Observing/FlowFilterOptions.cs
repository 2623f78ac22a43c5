using System.CommandLine;
using System.Globalization;
using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Text;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Cli.Observing;

/// <summary>
/// The options by which flows are chosen, with hubble's names and meaning. One that names an end (--from-pod) must fit that end; one that names
/// neither (--pod) either end. Several values of one option: any of them; several options: all of them.
/// </summary>
internal sealed class FlowFilterOptions
{
    private static readonly string[] s_points =
    [
        "to-endpoint", "to-proxy", "to-host", "to-stack", "to-overlay", "from-endpoint", "from-proxy", "from-host", "from-stack", "from-overlay",
        "from-network", "to-network", "from-crypto", "to-crypto",
    ];

    private readonly List<Ends> _ends = [];
    private readonly Option<string[]> _verdict = Many("--verdict", "FORWARDED, DROPPED, AUDIT, ERROR, REDIRECTED, TRACED or TRANSLATED.", "VERDICT");
    private readonly Option<string[]> _reason = Many("--drop-reason-desc", "Why it was dropped: POLICY_DENIED, a number, or the words.", "REASON", "--drop-reason");
    private readonly Option<string[]> _protocol = Many("--protocol", "tcp, udp, sctp, icmp, icmpv4 or icmpv6.", "PROTOCOL");
    private readonly Option<string[]> _type = Many("--type", "trace, drop or policy-verdict, or a point of traces: trace:to-endpoint.", "TYPE[:POINT]", "-t");
    private readonly Option<string[]> _node = Many("--node-name", "The node that saw it: west/west-worker, west/, west-*.", "NODE");
    private readonly Option<string[]> _flags = Many("--tcp-flags", "SYN, FIN, RST, ACK, PSH, URG, ECE, CWR, with commas between those that must be set together.", "FLAGS");
    private readonly Option<string[]> _version = Many("--ip-version", "4 or 6.", "VERSION");
    private readonly Option<string?> _direction = new("--traffic-direction") { Description = "ingress or egress.", HelpName = "DIRECTION" };
    private readonly Option<bool?> _reply = new("--reply") { Description = "Only answers; false for only what is none.", Arity = ArgumentArity.ZeroOrOne };

    public FlowFilterOptions()
    {
        Add("pod", "POD", "A pod: [namespace/]name, or the beginning of its name.", (f, source, values) => (source ? f.SourcePod : f.DestinationPod).Add(values));
        Add("namespace", "NAMESPACE", "A namespace.", (f, source, values) => (source ? f.SourcePod : f.DestinationPod).Add(values.Select(v => v.TrimEnd('/') + "/")), "-n");
        Add("label", "SELECTOR", "A label selector: k8s:app=webpod, app in (a,b), !app.", (f, source, values) => (source ? f.SourceLabel : f.DestinationLabel).Add(values), "-l");
        Add("ip", "ADDRESS", "An address or CIDR.", (f, source, values) => (source ? f.SourceIp : f.DestinationIp).Add(values));
        Add("port", "PORT", "A port, or a range 8000-8080.", (f, source, values) => (source ? f.SourcePort : f.DestinationPort).Add(values));
        Add("service", "SERVICE", "A service: [namespace/]name.", (f, source, values) => (source ? f.SourceService : f.DestinationService).Add(values));
        Add("cluster", "CLUSTER", "A cluster.", (f, source, values) => (source ? f.SourceClusterName : f.DestinationClusterName).Add(values));
        Add("workload", "WORKLOAD", "A workload: [Kind/]name.", (f, source, values) => (source ? f.SourceWorkload : f.DestinationWorkload).Add(values.Select(WorkloadOf)));
        Add("identity", "IDENTITY", "A security identity, by number or reserved name.", (f, source, values) => (source ? f.SourceIdentity : f.DestinationIdentity).Add(values.Select(IdentityOf)));
    }

    public void AddTo(Command command)
    {
        foreach (Ends ends in _ends)
        {
            command.Add(ends.Either);
            command.Add(ends.From);
            command.Add(ends.To);
        }

        foreach (Option option in (Option[])[_verdict, _reason, _protocol, _type, _node, _flags, _version, _direction, _reply])
        {
            command.Add(option);
        }
    }

    /// <summary>What the server is to let pass; empty when everything is.</summary>
    /// <exception cref="UsageException">A value that cannot be understood.</exception>
    public IReadOnlyList<FlowFilter> Read(ParseResult parsed)
    {
        FlowFilter source = Common(parsed);
        FlowFilter destination = Common(parsed);
        bool isEither = false;
        foreach (Ends ends in _ends)
        {
            if (parsed.GetValue(ends.Either) is { Length: > 0 } either)
            {
                if (parsed.GetValue(ends.From) is { Length: > 0 } || parsed.GetValue(ends.To) is { Length: > 0 })
                {
                    throw new UsageException($"{ends.Either.Name} means either end: it cannot stand with {ends.From.Name} or {ends.To.Name}");
                }

                isEither = true;
                ends.Set(source, true, either);
                ends.Set(destination, false, either);
            }

            foreach (FlowFilter filter in (FlowFilter[])[source, destination])
            {
                Set(filter, ends, isSource: true, parsed.GetValue(ends.From));
                Set(filter, ends, isSource: false, parsed.GetValue(ends.To));
            }
        }

        return isEither ? [source, destination] : source.Equals(new FlowFilter()) ? [] : [source];
    }

    private static void Set(FlowFilter filter, Ends ends, bool isSource, string[]? values)
    {
        if (values is { Length: > 0 })
        {
            ends.Set(filter, isSource, values);
        }
    }

    private static Option<string[]> Many(string name, string description, string helpName, params string[] aliases) => new(name, aliases)
    {
        Description = description,
        HelpName = helpName,
        Arity = ArgumentArity.ZeroOrMore,
    };

    private void Add(string name, string helpName, string description, Action<FlowFilter, bool, string[]> set, params string[] aliases) => _ends.Add(new(
        Many($"--{name}", $"{description} At either end.", helpName, aliases), Many($"--from-{name}", $"{description} Where it comes from.", helpName),
        Many($"--to-{name}", $"{description} Where it goes.", helpName), set));

    private FlowFilter Common(ParseResult parsed)
    {
        FlowFilter filter = new();
        filter.Verdict.Add((parsed.GetValue(_verdict) ?? []).Select(v => Enum.TryParse(v, ignoreCase: true, out Verdict verdict) && !int.TryParse(v, out _)
            ? verdict
            : throw new UsageException($"--verdict: there is no '{v}'; there are FORWARDED, DROPPED, AUDIT, ERROR, REDIRECTED, TRACED, TRANSLATED")));
        filter.DropReasonDesc.Add((parsed.GetValue(_reason) ?? []).Select(ReasonOf));
        filter.Protocol.Add(parsed.GetValue(_protocol) ?? []);
        filter.EventType.Add((parsed.GetValue(_type) ?? []).Select(TypeOf));
        filter.NodeName.Add(parsed.GetValue(_node) ?? []);
        filter.TcpFlags.Add((parsed.GetValue(_flags) ?? []).Select(FlagsOf));
        filter.IpVersion.Add((parsed.GetValue(_version) ?? []).Select(v => v switch
        {
            "4" or "ipv4" => IPVersion.Ipv4,
            "6" or "ipv6" => IPVersion.Ipv6,
            _ => throw new UsageException($"--ip-version: '{v}' is neither 4 nor 6"),
        }));
        if (parsed.GetValue(_direction) is { } direction)
        {
            filter.TrafficDirection.Add(direction.ToLowerInvariant() switch
            {
                "ingress" => TrafficDirection.Ingress,
                "egress" => TrafficDirection.Egress,
                _ => throw new UsageException($"--traffic-direction: '{direction}' is neither ingress nor egress"),
            });
        }

        if (parsed.GetResult(_reply) is not null)
        {
            filter.Reply.Add(parsed.GetValue(_reply) ?? true);
        }

        return filter;
    }

    private static DropReason ReasonOf(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
        {
            return (DropReason)number;
        }

        string name = text.Replace(' ', '_').Replace('-', '_').ToUpperInvariant();
        return FlowReflection.Descriptor.EnumTypes.First(e => e.Name == nameof(DropReason)).FindValueByName(name) is { } known ? (DropReason)known.Number
            : Enumerable.Range(1, byte.MaxValue).FirstOrDefault(n => string.Equals(DropReasonText.Of(n), text, StringComparison.OrdinalIgnoreCase)) is > 0 and int told ? (DropReason)told
            : throw new UsageException($"--drop-reason-desc: there is no '{text}'; docs/drop-reasons.md has them");
    }

    private static EventTypeFilter TypeOf(string text)
    {
        string[] parts = text.Split(':', 2);
        EventTypeFilter filter = new()
        {
            Type = (int)(parts[0] switch
            {
                "trace" => FlowEventKind.Trace,
                "drop" => FlowEventKind.Drop,
                "policy-verdict" => FlowEventKind.PolicyVerdict,
                _ => throw new UsageException($"--type: there is no '{parts[0]}'; there are trace, drop, policy-verdict"),
            }),
        };
        if (parts.Length == 2)
        {
            int point = Array.IndexOf(s_points, parts[1]);
            filter.SubType = int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
                : point >= 0 ? point
                : throw new UsageException($"--type: there is no '{parts[1]}' of {parts[0]}; there are {string.Join(", ", s_points)}");
            filter.MatchSubType = true;
        }

        return filter;
    }

    private static TCPFlags FlagsOf(string text)
    {
        TCPFlags flags = new();
        foreach (string flag in text.Split(','))
        {
            _ = flag.ToUpperInvariant() switch
            {
                "SYN" => flags.SYN = true,
                "ACK" => flags.ACK = true,
                "FIN" => flags.FIN = true,
                "RST" => flags.RST = true,
                "PSH" => flags.PSH = true,
                "URG" => flags.URG = true,
                "ECE" => flags.ECE = true,
                "CWR" => flags.CWR = true,
                _ => throw new UsageException($"--tcp-flags: there is no '{flag}'; there are SYN, ACK, FIN, RST, PSH, URG, ECE, CWR"),
            };
        }

        return flags;
    }

    private static Workload WorkloadOf(string text) => text.Split('/', 2) is [string kind, string name] ? new Workload { Kind = kind, Name = name } : new Workload { Name = text };

    private static uint IdentityOf(string text)
    {
        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return number;
        }

        for (uint reserved = 1; Observe.Names.ReservedIdentity.NameOf(reserved) is { } name; reserved++)
        {
            if (name == text || $"reserved:{name}" == text)
            {
                return reserved;
            }
        }

        throw new UsageException($"--identity: '{text}' is neither a number nor a reserved name like host, world or remote-node");
    }

    private sealed record Ends(Option<string[]> Either, Option<string[]> From, Option<string[]> To, Action<FlowFilter, bool, string[]> Set);
}
