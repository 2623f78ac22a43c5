using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>A part of a document while it is being checked. The path becomes text only when something is wrong there.</summary>
internal sealed class Place
{
    private readonly DocumentOrigin _origin;
    private readonly Place? _parent;
    private readonly string? _field;
    private readonly int _index;

    private Place(DocumentOrigin origin, Place? parent, string? field, int index)
    {
        _origin = origin;
        _parent = parent;
        _field = field;
        _index = index;
    }

    public string Path => Append(new StringBuilder()).ToString();

    /// <summary>What a spec carries to say where it was written.</summary>
    public string Source => _origin.Locate(Path);

    public static Place Root(DocumentOrigin origin) => new(origin, null, null, 0);

    public Place Field(string name) => new(_origin, this, name, 0);

    public Place Item(int index) => new(_origin, this, null, index);

    public ConfigurationException Refuse(string problem) => _origin.Refuse(Path, problem);

    public ConfigurationException RefuseLine(int line, string problem) => _origin.RefuseLine(line, Path, problem);

    private StringBuilder Append(StringBuilder text)
    {
        if (_parent is null)
        {
            return text;
        }

        _parent.Append(text);
        return _field is null
            ? text.Append(CultureInfo.InvariantCulture, $"[{_index}]")
            : text.Append(text.Length == 0 ? "" : ".").Append(_field);
    }
}
