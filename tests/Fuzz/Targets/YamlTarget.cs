using System.Text;
using ClusterMesh.Datapath.Agent;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Forwarder;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// What people write: one character says for whom (n node file, c change, a agent file, m manifests, i ip-masq-agent's file, e etcd client file), then the text.
/// What is accepted is written out and must be accepted again.
/// </summary>
internal sealed class YamlTarget : FuzzTarget
{
    private const string File = "x.yaml";
    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public override string Name => "yaml";

    /// <summary>How many texts were accepted, and how many ended in a sentence.</summary>
    public int AcceptedCount { get; private set; }

    public int RefusedCount { get; private set; }

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        char kind = (char)reader.Byte();
        string text;
        try
        {
            text = s_utf8.GetString(reader.Rest());
        }
        catch (DecoderFallbackException)
        {
            return; // Refused before, by what reads files.
        }

        try
        {
            if (Read(kind, text) is { } mistake)
            {
                FuzzFinding.UnlessSentence(mistake);
                RefusedCount++;
                return;
            }

            AcceptedCount++;
        }
        catch (ConfigurationException e)
        {
            FuzzFinding.UnlessSentence(e.Message);
            FuzzFinding.Unless(e.Message.StartsWith(File, StringComparison.Ordinal) || kind is 'n', $"the sentence does not say where: {e.Message}");
            RefusedCount++;
        }
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        (char Kind, string Path)[] files =
        [
            ('n', "lab/nodes/west-worker.yaml"), ('n', "tests/Configuration.Tests/west-worker.yaml"), ('a', "lab/agents/west-worker.yaml"), ('a', "lab/agents/east-control-plane.yaml"),
            ('m', "lab/manifests/west/kube-system.yaml"), ('m', "lab/manifests/west/webpod.yaml"), ('m', "lab/manifests/west/clustermesh-apiserver.yaml"), ('c', "lab/acceptance/services.yaml"),
        ];
        foreach ((int i, (char kind, string path)) in files.Index())
        {
            yield return ($"file-{i}", [(byte)kind, .. System.IO.File.ReadAllBytes(Path.Combine(Corpus.Root, path))]);
        }

        foreach ((int i, (char kind, string text)) in YamlSeeds.All.Index())
        {
            yield return ($"text-{kind}-{i:d2}", [(byte)kind, .. Encoding.UTF8.GetBytes(text)]);
        }
    }

    /// <returns>Why it was refused, of readers that throw nothing.</returns>
    private static string? Read(char kind, string text)
    {
        string? mistake = null;
        switch (kind)
        {
            case 'n':
                NodeFile file = NodeFile.Parse(File, text);
                NodeRuntime.Check(file);
                NodeFile again = NodeFile.Parse("effective.yaml", YamlText.Write(DocumentWriter.Write(file.Local, file.SocketPath, file.Initial)));
                FuzzFinding.Unless(again.SocketPath == file.SocketPath, "the socket is lost on the way");
                break;
            case 'c':
                ChangeFile.Parse(File, text);
                break;
            case 'a':
                AgentSettings.Parse(File, text);
                break;
            case 'm':
                ManifestReader.Read(File, text);
                break;
            case 'i':
                IpMasqAgentFile.Parse(File, text, usesIpv6: true);
                break;
            case 'e':
                FuzzFinding.Unless(EtcdClientFile.Parse(text, out mistake) is null == mistake.Length > 0, "neither settings nor a mistake");
                mistake = mistake.Length > 0 ? mistake : null;
                break;
            default:
                throw new ConfigurationException($"{File}: no kind of text begins with '{(char.IsAsciiLetterOrDigit(kind) ? kind : '?')}'");
        }

        return mistake;
    }
}
