using System.Buffers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Server;
using ClusterMesh.Datapath.Forwarder;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// Requests to a forwarder, one a line, through the real server's parsing and its real methods, without a socket: the node has no interfaces of its own, and a
/// request that could open any (an endpoint whose namespace is there) is read but not carried out, nor are captures, takeovers and watches. A line that begins
/// with a blank is of a client who may only read.
/// </summary>
internal sealed class ControlTarget : FuzzTarget
{
    private const int MostLines = 16;
    private static readonly string[] s_onlyRead = ["capture", "takeover", "watch", "unwatch"];

    private readonly NodeRuntime _node;
    private readonly ControlServer _server;
    private readonly ChangeDocument _initial;

    /// <summary>Whose requests these are; nothing goes through its socket.</summary>
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly ControlConnection _client;
    private bool _isChanged;

    public ControlTarget()
    {
        string directory = Workplace.Directory;
        NodeFile file = NodeFile.Parse("fuzz.yaml", NodeText(Path.Combine(directory, "own.sock")));
        ForwarderOptions options = ForwarderOptions.Parse(["--config", "fuzz.yaml", "--engine", "readiness"], out string mistake) ?? throw new InvalidOperationException(mistake);
        _node = NodeRuntime.Start(file, options);
        _server = new ControlServer(Path.Combine(directory, "fuzz.sock")) { Fault = (where, fault) => throw new FuzzFinding($"{where}: {fault}") };
        ControlMethods.Map(_server, _node);
        _server.Start();
        _socket.Connect(new UnixDomainSocketEndPoint(_server.SocketPath));
        _client = new ControlConnection(_server, _socket, new PeerCredentials(Environment.ProcessId, 0, 0, []), ControlRole.Admin);
        NodeDocument node = file.Document;
        _initial = new ChangeDocument
        {
            Masquerade = node.Masquerade ?? new MasqueradeSection(),
            Endpoints = [],
            Nodes = node.Nodes ?? [],
            Routes = [],
            Services = node.Services ?? [],
            Ipcache = [],
            Identities = [],
            Policies = [],
        };
    }

    public override string Name => "control";

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        for (int line = 0; line < MostLines && !reader.IsAtEnd; line++)
        {
            byte[] bytes = reader.Until((byte)'\n').ToArray();
            Ask(bytes);
        }

        // By the same input, so that what this covers is not the next one's.
        if (_isChanged)
        {
            _node.Apply(_initial, replace: true);
            _isChanged = false;
        }
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        (string Method, string Parameters)[] requests =
        [
            ("status", "{}"), ("config", "{}"),
            ("apply", """{"mode":"merge","config":{"services":[{"name":"default/webpod","protocol":"TCP","frontends":[{"type":"ClusterIP","address":"10.2.33.10","port":80},{"type":"NodePort","port":30080}],"backends":[{"address":"10.0.1.14","port":80},{"address":"10.1.1.2","port":80,"cluster":"east","node":"east-worker","state":"terminating"}]}]}}"""),
            ("apply", """{"mode":"replace","config":{"nodes":[{"name":"east-worker","cluster":"east","addresses":["172.18.0.2"],"clusterId":2}],"routes":[],"masquerade":{"enabled":true,"nonMasqueradeCIDRs":["10.1.0.0/16"],"masqLinkLocal":false}}}"""),
            ("apply", """{"mode":"merge","config":{"endpoints":[{"name":"default/curl","namespace":"fuzz-nowhere","interface":"eth0","mac":"02:00:00:00:00:01","addresses":["10.0.1.105"],"offloads":"on"}]}}"""),
            ("apply", """{"mode":"merge","config":{"identities":[{"id":65900,"labels":["k8s:app=webpod"]}],"ipcache":[{"prefix":"10.1.1.2/32","identity":65900,"cluster":"east"}],"policies":[{"name":"default/p","kind":"NetworkPolicy","selector":"k8s:app=webpod","defaultDenyIngress":true,"rules":[{"direction":"ingress","deny":false,"peers":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]},{"selector":"k8s:app in (a,b)"},{"entity":"world"}],"ports":[{"protocol":"TCP","port":80,"endPort":90}]}]}]}}"""),
            ("delete", """{"kind":"service","names":["default/webpod"]}"""), ("delete", """{"kind":"node","names":["east/east-worker"]}"""),
            ("maglev", """{"service":"default/webpod","tableSize":251}"""), ("select", """{"service":"default/webpod","from":"10.0.1.105:40000"}"""),
            ("trace", """{"packets":[{"from":"10.0.1.105:40000","to":"10.2.164.148:80","protocol":"TCP","flags":"S","hopLimit":64,"length":100},{"in":"uplink","frame":"0200","isAnswer":true}],"dice":"12"}"""),
            ("explain", """{"from":"10.0.1.105","to":"10.1.1.2","port":"80/TCP"}"""), ("takeover", """{"phase":"prepare"}"""), ("capture", """{"hosts":["10.0.1.105"],"ports":[80],"protocol":"TCP","verdict":"drop","point":"in","count":1,"snapLength":64}"""),
            ("watch", """{"kind":"service","intervalMilliseconds":1000}"""), ("unwatch", """{"subscription":1}"""),
        ];
        foreach ((int i, (string method, string parameters)) in requests.Index())
        {
            yield return ($"{method}-{i:d2}", Line(method, parameters, i));
        }

        string[] kinds = ["endpoint", "node", "route", "service", "backend", "masquerade", "conntrack", "snat", "neighbor", "counter", "port", "ipcache", "identity", "policy"];
        yield return ("list-all", [.. kinds.SelectMany((k, i) => Line("list", $$"""{"kind":"{{k}}","limit":{{i + 1}}}""", i))]);
        yield return ("list-pages", [.. Line("list", """{"kind":"service","limit":1}""", 1), .. Line("list", """{"kind":"service","limit":1,"cursor":"default/webpod/TCP"}""", 2)]);
        yield return ("apply-list-delete", [.. Line("apply", requests[2].Parameters, 1), .. Line("list", """{"kind":"backend"}""", 2), .. Line("maglev", requests[8].Parameters, 3), .. Line("delete", requests[6].Parameters, 4)]);
        yield return ("reader", Encoding.UTF8.GetBytes("""
             {"jsonrpc":"2.0","id":1,"method":"status","params":{}}
             {"jsonrpc":"2.0","id":2,"method":"delete","params":{"kind":"service","names":["default/webpod"]}}
            """));
        yield return ("odd", Encoding.UTF8.GetBytes("""
            {"jsonrpc":"2.0","id":"\u0041","method":"list","params":{"kind":null}}
            [1,2]
            {"jsonrpc":"2.0","id":1.5e3,"method":"status","params":[]}
            {"jsonrpc":"2.0","method":"status"}
            {"id":{},"method":"status","jsonrpc":"2.0"}
            """));
    }

    public override void Dispose()
    {
        _client.Dispose();
        _socket.Dispose();
        _server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _node.DisposeAsync().AsTask().GetAwaiter().GetResult();
        base.Dispose();
    }

    private static byte[] Line(string method, string parameters, int id) =>
        Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":{{id}},"method":"{{method}}","params":{{parameters}}}""" + "\n");

    private static string NodeText(string socket) => $$"""
        socket: {{socket}}
        node: {name: west-worker, cluster: west, clusterId: 1, addresses: [172.18.0.5/16, "fd00:172:18::5/64"], podCIDRs: [10.0.1.0/24, "fd00:10:0:1::/64"]}
        tables: {conntrackEntries: 1024, snatEntries: 1024}
        loadBalancer: {maglevTableSize: 251}
        nodes: [{name: east-worker, cluster: east, addresses: [172.18.0.2]}]
        services:
        - name: default/webpod
          protocol: TCP
          frontends: [{address: 10.2.164.148, port: 80}, {type: NodePort, port: 30080}]
          backends: [{address: 10.0.1.14, port: 80}, {address: 10.1.1.2, port: 80, cluster: east}]
        """;

    private void Ask(byte[] line)
    {
        // In pieces, as they come from a socket.
        int middle = line.Length / 2;
        ReadOnlySequence<byte> sequence = line.Length < 2 ? new(line) : Sequence(line.AsMemory(0, middle), line.AsMemory(middle));
        byte[]? id = null;
        Answer? answer = null;
        ControlException? refusal = null;
        try
        {
            RequestLine request = RequestLine.Parse(sequence, ref id);
            BoundCall call = _server.Bind(request, line[0] == (byte)' ' ? ControlRole.Reader : ControlRole.Admin, "the fuzzer");
            if (s_onlyRead.Contains(request.Method) || !IsHarmless(line))
            {
                return;
            }

            _isChanged |= request.Method is "apply" or "delete";
            answer = call(_client, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }
        catch (ControlException e)
        {
            FuzzFinding.UnlessSentence(e.Message);
            FuzzFinding.Unless(Enum.IsDefined(e.Code) && e.Code != ErrorCode.InternalError, $"the error's code is {e.Code}: {e.Message}");
            refusal = e;
        }

        CheckAnswer(id, answer, refusal);
        answer?.Done?.Invoke();
    }

    /// <summary>The answer is one line of JSON with the request's own id.</summary>
    private static void CheckAnswer(byte[]? id, Answer? answer, ControlException? refusal)
    {
        using var message = new MessageBuffer();
        JsonRpc.WriteAnswer(message, id ?? "null"u8.ToArray(), answer?.Write, refusal);
        byte[] written = [.. message.Chunks.SelectMany(c => c.ToArray())];
        FuzzFinding.Unless(written.AsSpan().IndexOf((byte)'\n') == written.Length - 1, $"an answer of several lines: {Encoding.UTF8.GetString(written)}");
        try
        {
            using JsonDocument read = JsonDocument.Parse(written, new JsonDocumentOptions { MaxDepth = 128 });
            FuzzFinding.Unless(id is null || read.RootElement.GetProperty("id").GetRawText() == Encoding.UTF8.GetString(id), "the answer has another id");
            FuzzFinding.Unless(read.RootElement.TryGetProperty(refusal is null ? "result" : "error", out _), "the answer is neither result nor error");
        }
        catch (JsonException e)
        {
            throw new FuzzFinding($"the answer is no JSON: {e.Message}: {Encoding.UTF8.GetString(written)}");
        }
    }

    /// <summary>No interface can come of it: no namespace is named that there is.</summary>
    private static bool IsHarmless(byte[] line)
    {
        using JsonDocument read = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 128 });
        return IsHarmless(read.RootElement);
    }

    private static bool IsHarmless(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().All(IsHarmless),
        JsonValueKind.Object => element.EnumerateObject().All(p => p.Name.Equals("namespace", StringComparison.OrdinalIgnoreCase)
            ? p.Value.ValueKind != JsonValueKind.String || IsNowhere(p.Value.GetString()!)
            : IsHarmless(p.Value)),
        _ => true,
    };

    private static bool IsNowhere(string name) => !name.StartsWith('/') && !Path.Exists(Path.Combine("/run/netns", name));

    private static ReadOnlySequence<byte> Sequence(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second)
    {
        var begin = new Segment(first, 0);
        var end = new Segment(second, first.Length);
        begin.Follow(end);
        return new ReadOnlySequence<byte>(begin, 0, end, second.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index)
        {
            Memory = memory;
            RunningIndex = index;
        }

        public void Follow(Segment next) => Next = next;
    }
}
