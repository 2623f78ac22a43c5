using System.Globalization;
using System.Text;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>
/// JSON byte for byte as Go's encoding/json writes it: no blanks, maps in the order of their keys' bytes, &lt;, &gt; and &amp; escaped, other
/// text left as it is. Records are compared by their bytes in etcd, so that another spelling of the same value would be a change.
/// </summary>
internal sealed class GoJsonWriter
{
    private readonly StringBuilder _text = new();
    private bool _first = true;

    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(_text.ToString());

    public GoJsonWriter Begin(char bracket = '{')
    {
        Separate();
        _text.Append(bracket);
        _first = true;
        return this;
    }

    public GoJsonWriter End(char bracket = '}')
    {
        _text.Append(bracket);
        _first = false;
        return this;
    }

    public GoJsonWriter Name(string name)
    {
        Separate();
        Quote(name);
        _text.Append(':');
        _first = true;
        return this;
    }

    public GoJsonWriter Text(string value)
    {
        Separate();
        Quote(value);
        return this;
    }

    public GoJsonWriter Number(long value) => Raw(value.ToString(CultureInfo.InvariantCulture));

    public GoJsonWriter Flag(bool value) => Raw(value ? "true" : "false");

    public GoJsonWriter Null() => Raw("null");

    public GoJsonWriter Map(IReadOnlyDictionary<string, string> map)
    {
        Begin();
        foreach (string key in map.Keys.Order(Utf8Order.Instance))
        {
            Name(key).Text(map[key]);
        }

        return End();
    }

    private GoJsonWriter Raw(string value)
    {
        Separate();
        _text.Append(value);
        return this;
    }

    private void Separate()
    {
        if (!_first)
        {
            _text.Append(',');
        }

        _first = false;
    }

    private void Quote(string value)
    {
        _text.Append('"');
        foreach (char c in value)
        {
            switch (c)
            {
                case '"' or '\\':
                    _text.Append('\\').Append(c);
                    break;
                case '\n':
                    _text.Append("\\n");
                    break;
                case '\r':
                    _text.Append("\\r");
                    break;
                case '\t':
                    _text.Append("\\t");
                    break;
                case '\b':
                    _text.Append("\\b");
                    break;
                case '\f':
                    _text.Append("\\f");
                    break;
                case < ' ' or '<' or '>' or '&' or '\u2028' or '\u2029':
                    _text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                    break;
                default:
                    _text.Append(c);
                    break;
            }
        }

        _text.Append('"');
    }
}
