using System.Text;
using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// What other clusters say, and what the own store holds: one character for the kind (n node, s service, a address, i identity, c cluster configuration, o object of
/// the own cluster), the key, a line feed, the value. A record that cannot be read is counted and said once; the ones around it go on.
/// </summary>
internal sealed class RecordsTarget : FuzzTarget
{
    private const string Cluster = "west";

    private static readonly Dictionary<char, (MeshRecordKind Kind, string Key, string Value)> s_good = new()
    {
        ['n'] = (MeshRecordKind.Node, "good", """{"Name":"good","Cluster":"west","IPAddresses":[{"Type":"InternalIP","IP":"172.18.0.9"}],"ClusterID":1}"""),
        ['s'] = (MeshRecordKind.Service, "default/good", """{"cluster":"west","namespace":"default","name":"good","frontends":{"10.2.0.9":{"":{"Protocol":"TCP","Port":80}}},"backends":{},"shared":true,"clusterID":1}"""),
        ['a'] = (MeshRecordKind.Ip, "10.0.9.9", """{"IP":"10.0.9.9","Mask":null,"HostIP":"172.18.0.9","ID":65999,"Key":0,"Metadata":""}"""),
        ['i'] = (MeshRecordKind.Identity, "65999", "k8s:app=good;k8s:io.cilium.k8s.policy.cluster=west;"),
    };

    public override string Name => "records";

    public int AcceptedCount { get; private set; }

    public int RefusedCount { get; private set; }

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        char kind = (char)reader.Byte();
        string key = Encoding.UTF8.GetString(reader.Until((byte)'\n'));
        byte[] value = reader.Rest().ToArray();
        switch (kind)
        {
            case 'n' or 's' or 'a' or 'i':
                ReadRecord(kind, key, value);
                break;
            case 'c':
                Note(ClusterConfig.TryRead(value, out ClusterConfig config, out string mistake) ? config.Check(255) : mistake);
                FuzzFinding.Unless(mistake.Length > 0 || (ClusterConfig.TryRead(config.Write(), out ClusterConfig again, out _) && again == config), "the cluster's configuration is not what was written");
                break;
            case 'o':
                List<string> refused = [];
                LocalObjects objects = LocalObjects.Empty.With([new StoreChange(key, value, 1)], refused);
                Note(refused.Count > 0 ? $"{Shown.Quote(refused[0])} cannot be read" : null);
                Use(objects);
                break;
            default:
                break;
        }
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        foreach ((int i, string line) in File.ReadAllLines(Path.Combine(Corpus.Root, "tests", "Mesh.Tests", "Golden", "west.txt")).Index())
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            string key = space < 0 ? line : line[..space];
            char kind = key.Contains("/nodes/", StringComparison.Ordinal) ? 'n' : key.Contains("/services/", StringComparison.Ordinal) ? 's' : key.Contains("/ip/", StringComparison.Ordinal) ? 'a'
                : key.Contains("/identities/", StringComparison.Ordinal) ? 'i' : 'c';
            MeshRecordKind? known = s_good.TryGetValue(kind, out (MeshRecordKind Kind, string, string) good) ? good.Kind : null;
            string relative = known is { } prefixed ? key.Replace(MeshKeys.Prefix(Cluster, prefixed, cached: false), "", StringComparison.Ordinal) : key;
            yield return ($"golden-{i:d2}", Input(kind, relative, space < 0 ? "" : line[(space + 1)..]));
        }

        foreach ((char kind, (_, string key, string value)) in s_good)
        {
            yield return ($"good-{kind}", Input(kind, key, value));
        }

        (string Key, string Value)[] objects =
        [
            ("services/default/w", """{"name":"w","namespace":"default","clusterIPs":["10.2.0.1"],"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":"http","nodePort":30080}],"selector":{"app":"w"},"annotations":{"service.cilium.io/global":"true"}}"""),
            ("pods/default/p", """{"name":"p","namespace":"default","node":"n","addresses":["10.0.1.7"],"labels":{"app":"w"},"ports":{"http":80}}"""),
            ("deployments/default/d", """{"name":"d","namespace":"default","replicas":2,"selector":{"app":"w"}}"""),
            ("nodes/n", """{"name":"n","addresses":[{"type":"InternalIP","address":"172.18.0.5"}],"podCidrs":["10.0.1.0/24"],"labels":{}}"""),
            ("endpointslices/default/s", """{"name":"s","namespace":"default","service":"w","ports":[{"name":"http","protocol":"TCP","port":80}],"endpoints":[{"address":"10.0.1.7","node":"n","isReady":true}]}"""),
            ("configmaps/kube-system/c", """{"name":"c","namespace":"kube-system","data":{"a":"b"}}"""),
        ];
        foreach ((int i, (string key, string value)) in objects.Index())
        {
            yield return ($"object-{i}", Input('o', key, value));
        }
    }

    private static byte[] Input(char kind, string key, string value) => Encoding.UTF8.GetBytes($"{kind}{key}\n{value}");

    /// <summary>Between two good records: they must be in the view whatever the third is.</summary>
    private void ReadRecord(char kind, string key, byte[] value)
    {
        (MeshRecordKind record, string goodKey, string goodValue) = s_good[kind];
        var state = new MeshState();
        List<string> said = [];
        var sink = new RecordSink(Cluster, state, said.Add) { ClusterId = 1, Range = IdentityRange.Of(1, 255) };
        byte[] good = Encoding.UTF8.GetBytes(goodValue);
        IReadOnlyCollection<string> refused = sink.Take(record, [new StoreChange(key, value, 1), new StoreChange(goodKey, good, 2)]);
        FuzzFinding.Unless(refused.Count <= 1 && refused.Count == sink.RefusedCount && refused.Count == said.Count, $"{refused.Count} records are refused, {sink.RefusedCount} counted, {said.Count} said");
        FuzzFinding.Unless(refused.All(r => r == key), "a good record was refused");
        said.ForEach(FuzzFinding.UnlessSentence);
        Note(said.FirstOrDefault());
        ClusterView view = state.Current.Clusters[Cluster];
        bool isThere = record switch
        {
            MeshRecordKind.Node => view.Nodes.ContainsKey(goodKey),
            MeshRecordKind.Service => view.Services.ContainsKey(goodKey),
            MeshRecordKind.Ip => view.Ips.ContainsKey(goodKey),
            _ => view.Identities.ContainsKey(65999),
        };
        FuzzFinding.Unless(isThere, "the good record behind it is not in the view");
        if (refused.Count == 0 && key != goodKey)
        {
            WriteAgain(record, key, value);
        }

        // It goes, and comes as what it is not.
        sink.Take(record, [new StoreChange(key, null, 3), new StoreChange(goodKey, value, 4), new StoreChange(key, good, 5)]);
    }

    private static void WriteAgain(MeshRecordKind record, string key, byte[] value)
    {
        string mistake = "";
        bool isSame = record switch
        {
            MeshRecordKind.Node => !MeshNode.TryRead(value, out MeshNode? node, out _) || (MeshNode.TryRead(node!.Write(), out MeshNode? again, out mistake) && again!.Name == node.Name),
            MeshRecordKind.Service => !ClusterService.TryRead(value, out ClusterService? service, out _) || (ClusterService.TryRead(service!.Write(), out ClusterService? again, out mistake) && again!.Name == service.Name),
            MeshRecordKind.Ip => !IpIdentity.TryRead(value, out IpIdentity? pair, out _) || (IpIdentity.TryRead(pair!.Write(), out IpIdentity? again, out mistake) && again!.Identity == pair.Identity),
            _ => !IdentityLabels.TryRead(value, out IdentityLabels? labels, out _) || IdentityLabels.TryRead(labels!.Write(), out _, out mistake),
        };
        FuzzFinding.Unless(isSame, $"what was accepted as {record} {key} is not accepted as it is written: {mistake}");
    }

    /// <summary>What an agent does with its objects.</summary>
    private static void Use(LocalObjects objects)
    {
        _ = objects.RunningPods().Count;
        foreach (string service in objects.Services.Keys)
        {
            _ = objects.SlicesOf(service).Count();
        }

        _ = objects.Writes().Count();
    }

    private void Note(string? mistake)
    {
        if (mistake is { Length: > 0 })
        {
            FuzzFinding.UnlessSentence(mistake);
            RefusedCount++;
        }
        else
        {
            AcceptedCount++;
        }
    }
}
