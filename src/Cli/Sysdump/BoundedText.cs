using System.Text;

namespace ClusterMesh.Datapath.Cli.Sysdump;

/// <summary>Text up to a length; the writer learns by an exception that nobody wants more, as one does whose pipe was closed.</summary>
internal sealed class BoundedText(int mostLength) : StringWriter
{
    /// <summary>Some of what was written is not here.</summary>
    public bool IsCut { get; private set; }

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        Check();
        base.Write(value);
    }

    public override void Write(char[] buffer, int index, int count)
    {
        Check();
        base.Write(buffer, index, count);
    }

    public override void Write(ReadOnlySpan<char> buffer)
    {
        Check();
        base.Write(buffer);
    }

    public override void Write(string? value)
    {
        Check();
        base.Write(value);
    }

    private void Check()
    {
        if (GetStringBuilder().Length > mostLength)
        {
            IsCut = true;
            throw new IOException("enough", CommandLine.BrokenPipe);
        }
    }
}
