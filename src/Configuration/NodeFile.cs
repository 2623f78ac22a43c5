using System.Text;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The file a forwarder is started with, read and checked whole.</summary>
public sealed class NodeFile
{
    /// <summary>sun_path of unix(7) has 108 bytes, the last of them zero.</summary>
    private const int SocketPathLengthLimit = 107;

    private NodeFile(NodeDocument document, LocalNodeSpec local, DesiredChange initial, string socketPath)
    {
        Document = document;
        Local = local;
        Initial = initial;
        SocketPath = socketPath;
    }

    /// <summary>As written, with the defaults of absent fields that do not depend on others.</summary>
    public NodeDocument Document { get; }

    public LocalNodeSpec Local { get; }

    /// <summary>What the node starts with. Its masquerade is never null: a file without that section masquerades.</summary>
    public DesiredChange Initial { get; }

    /// <summary>Where the control socket goes: as written, or in CMESH_RUN_DIR, or in /run/cmesh.</summary>
    public string SocketPath { get; }

    /// <param name="path">A file, or "-" for the standard input.</param>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static NodeFile Read(string path) => Parse(DocumentReader.Shown(path), DocumentReader.ReadText(path));

    /// <summary>As <see cref="Read"/>, for text in memory.</summary>
    /// <param name="file">What messages call the text.</param>
    /// <param name="text">YAML or JSON.</param>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static NodeFile Parse(string file, string text)
    {
        NodeDocument document = DocumentReader.Read(file, text, DocumentJsonContext.Default.NodeDocument, out DocumentOrigin origin);
        LocalNodeSpec local = NodeTranslator.Translate(document, origin);
        ChangeDocument start = new()
        {
            Masquerade = document.Masquerade ?? new MasqueradeSection(),
            Endpoints = document.Endpoints,
            Nodes = document.Nodes,
            Routes = document.Routes,
            Services = document.Services,
            Ipcache = document.Ipcache,
            Identities = document.Identities,
            Policies = document.Policies,
        };
        DesiredChange initial = ChangeTranslator.Translate(start, replace: true, local, origin);
        if (local.Flows.IpMasqAgentConfigPath is { } path)
        {
            initial = initial with { Masquerade = initial.Masquerade! with { NonMasqueradeCidrs = IpMasqAgentFile.Read(path, local) } };
        }

        return new NodeFile(document, local, initial, Socket(document.Socket, local, Place.Root(origin).Field("socket")));
    }

    private static string Socket(string? given, LocalNodeSpec local, Place place)
    {
        string runDirectory = Environment.GetEnvironmentVariable("CMESH_RUN_DIR") is { Length: > 0 } set ? set : "/run/cmesh";
        string path = given ?? Path.Combine(runDirectory, $"{local.Cluster}-{local.Name}", "control.sock");
        if (path.Length == 0)
        {
            throw place.Refuse("the path is empty; give one or remove the line");
        }

        return Encoding.UTF8.GetByteCount(path) <= SocketPathLengthLimit
            ? path
            : throw place.Refuse($"{ValueText.Quote(path)} is longer than the 107 bytes of a Unix socket's path; give a shorter one in 'socket'");
    }
}
