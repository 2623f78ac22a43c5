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

    /// <summary>A full disk is a fault that somebody has to hear of; a reader that has gone, as head does, is none.</summary>
    [Theory]
    [InlineData("/dev/full", 28, "Error: the output cannot be written: ")]
    [InlineData(null, 32, "")]
    public async Task Output_that_cannot_be_written_is_told_unless_its_reader_has_gone(string? path, int errno, string told)
    {
        StringWriter error = new();
        TextWriter output = path is null ? new GoneReader(errno) : new StreamWriter(new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0));
        int code = await CommandLine.RunAsync(["completion", "bash"], new Screen(output, error, TextReader.Null, _ => null, colours: false));
        Assert.Equal(CommandLine.Failed, code);
        Assert.StartsWith(told, error.ToString());
        Assert.Equal(told.Length > 0 ? 1 : 0, error.ToString().Count(c => c == '\n'));
        Assert.Equal(errno, Assert.ThrowsAny<IOException>(() => WriteTo(output)).HResult);
    }

    private static void WriteTo(TextWriter output)
    {
        output.Write("more");
        output.Flush();
    }

    private sealed class GoneReader(int errno) : StringWriter
    {
        public override void Write(string? value) => throw new IOException("Broken pipe", errno);

        public override void Flush() => throw new IOException("Broken pipe", errno);

        public override Task FlushAsync(CancellationToken cancellationToken) => throw new IOException("Broken pipe", errno);
    }
}
