using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>A file of changes to a running forwarder, read and of the right shape. Its values are checked where they are applied.</summary>
public sealed class ChangeFile
{
    private ChangeFile(ChangeDocument document, DocumentOrigin origin)
    {
        Document = document;
        Origin = origin;
    }

    public ChangeDocument Document { get; }

    /// <summary>Finds the line for a JSON path that an answer of the forwarder names.</summary>
    public DocumentOrigin Origin { get; }

    /// <param name="path">A file, or "-" for the standard input.</param>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static ChangeFile Read(string path) => Parse(DocumentReader.Shown(path), DocumentReader.ReadText(path));

    /// <summary>As <see cref="Read"/>, for text in memory.</summary>
    /// <param name="file">What messages call the text.</param>
    /// <param name="text">YAML or JSON.</param>
    /// <exception cref="ConfigurationException">The first mistake, in one sentence.</exception>
    public static ChangeFile Parse(string file, string text)
    {
        // Who only sends the document on needs no lines; a node file's specs name theirs, so it gains nothing by this.
        if (PlainJson.TryRead(text, DocumentJsonContext.Default.ChangeDocument, out ChangeDocument? plain))
        {
            return new ChangeFile(plain, DocumentOrigin.OfFile(file, new Lazy<YamlNode>(() => YamlLoader.Load(file, text))));
        }

        ChangeDocument document = DocumentReader.Read(file, text, DocumentJsonContext.Default.ChangeDocument, out DocumentOrigin origin);
        return new ChangeFile(document, origin);
    }
}
