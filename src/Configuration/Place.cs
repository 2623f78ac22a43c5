using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// A part of a document while it is being checked. The path becomes text only when something is wrong there; a field of an item costs no memory,
/// since large documents have hundreds of thousands.
/// </summary>
internal readonly struct Place
{
    private readonly DocumentOrigin _origin;
    private readonly Node? _above;
    private readonly string? _field;

    private Place(DocumentOrigin origin, Node? above, string? field)
    {
        _origin = origin;
        _above = above;
        _field = field;
    }

    public string Path
    {
        get
        {
            StringBuilder text = new();
            _above?.Append(text);
            return (_field is null ? text : text.Append(text.Length == 0 ? "" : ".").Append(_field)).ToString();
        }
    }

    /// <summary>What a spec carries to say where it was written.</summary>
    public string Source => _origin.Locate(Path);

    public static Place Root(DocumentOrigin origin) => new(origin, null, null);

    public Place Field(string name) => new(_origin, _field is null ? _above : new Node(_above, _field, null), name);

    public Place Item(int index) => new(_origin, new Node(_above, _field, index), null);

    public ConfigurationException Refuse(string problem) => _origin.Refuse(Path, problem);

    public ConfigurationException RefuseLine(int line, string problem) => _origin.RefuseLine(line, Path, problem);

    /// <summary>An item of a list, the list's field included; or a field that has parts.</summary>
    private sealed class Node(Node? above, string? field, int? index)
    {
        public void Append(StringBuilder text)
        {
            above?.Append(text);
            if (field is not null)
            {
                text.Append(text.Length == 0 ? "" : ".").Append(field);
            }

            if (index is { } number)
            {
                text.Append(CultureInfo.InvariantCulture, $"[{number}]");
            }
        }
    }
}
