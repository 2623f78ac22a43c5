namespace ClusterMesh.Datapath.Configuration;

/// <summary>A node of a YAML text as it was written, with the line it begins on. Internal to the reader; documents are made from it.</summary>
internal abstract class YamlNode(int line)
{
    /// <summary>Counted from 1.</summary>
    public int Line { get; } = line;

    /// <summary>The node itself, or what an alias stands for.</summary>
    public virtual YamlNode Resolved => this;
}

internal sealed class YamlScalar(int line, string value, bool isPlain) : YamlNode(line)
{
    public string Value { get; } = value;

    /// <summary>Written without quotes, so that it may be a number, true, false or nothing.</summary>
    public bool IsPlain { get; } = isPlain;

    /// <summary>The null of YAML 1.2's core schema (section 10.3.2).</summary>
    public bool IsNull => IsPlain && Value is ("" or "~" or "null" or "Null" or "NULL");
}

internal sealed class YamlSequence(int line) : YamlNode(line)
{
    public List<YamlNode> Items { get; } = [];
}

internal sealed class YamlMapping(int line) : YamlNode(line)
{
    /// <summary>In the order of the text; the same key may stand here twice.</summary>
    public List<KeyValuePair<YamlScalar, YamlNode>> Fields { get; } = [];
}

/// <summary>A place that repeats an anchored node. Kept apart so that the reader can bound how much aliases expand to.</summary>
internal sealed class YamlAlias(int line, YamlNode target) : YamlNode(line)
{
    public override YamlNode Resolved { get; } = target;
}
