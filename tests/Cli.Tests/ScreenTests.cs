namespace ClusterMesh.Datapath.Cli.Tests;

public sealed class ScreenTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Colours_change_no_text_and_break_no_line(bool colours)
    {
        StringWriter output = new();
        Screen screen = new(output, TextWriter.Null, TextReader.Null, _ => null, colours);
        string line = $"Ports: [1] down {string.Join(' ', Enumerable.Repeat("word", 200))}";
        screen.WriteState(line);
        screen.WriteHeader(line);
        string text = output.ToString();
        Assert.Equal(colours, text.Contains('\e'));
        Assert.Equal(2, text.Count(c => c == '\n'));
        Assert.Equal(2, text.Split(line).Length - 1);
    }
}
