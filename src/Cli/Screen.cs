using Spectre.Console;

namespace ClusterMesh.Datapath.Cli;

/// <summary>
/// Where a command reads and writes, and what it knows of its surroundings. Text goes out as it is, never wrapped or cut; colours
/// only where a person looks at a terminal and has not asked for none (NO_COLOR).
/// </summary>
internal sealed class Screen
{
    private readonly IAnsiConsole? _colours;

    public Screen(TextWriter output, TextWriter error, TextReader input, Func<string, string?> environment, bool colours)
    {
        Output = output;
        Error = error;
        Input = input;
        Environment = environment;
        if (colours)
        {
            _colours = AnsiConsole.Create(new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(output),
                Ansi = AnsiSupport.Yes,
                ColorSystem = ColorSystemSupport.Standard,
                Interactive = InteractionSupport.No,
            });

            // The terminal wraps long lines itself; a line that was cut by us could not be copied.
            _colours.Profile.Width = 1_000_000;
        }
    }

    /// <summary>A person looks at it, with or without colours.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Lines that the terminal shows.</summary>
    public int Height => IsTerminal && Console.WindowHeight > 0 ? Console.WindowHeight : 24;

    public bool HasColours => _colours is not null;

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    public TextReader Input { get; }

    public Func<string, string?> Environment { get; }

    public static Screen OfProcess()
    {
        bool colours = !Console.IsOutputRedirected && string.IsNullOrEmpty(System.Environment.GetEnvironmentVariable("NO_COLOR"));

        // The console's own writer flushes at every line; a dump of two million rows is written in blocks.
        TextWriter output = Console.IsOutputRedirected ? new StreamWriter(Console.OpenStandardOutput(), bufferSize: 64 * 1024) : Console.Out;
        return new Screen(output, Console.Error, Console.In, System.Environment.GetEnvironmentVariable, colours) { IsTerminal = !Console.IsOutputRedirected };
    }

    public void WriteHeader(string line) => Write(line, "bold");

    /// <summary>A line whose state shows at a glance: green when all is well, yellow for a warning, red when something is down.</summary>
    public void WriteState(string line)
    {
        bool bad = line.Contains(" down", StringComparison.Ordinal) || line.Contains("failed", StringComparison.OrdinalIgnoreCase);
        bool warning = line.Contains(" Warning", StringComparison.Ordinal);
        bool good = line.Contains(" OK", StringComparison.Ordinal);
        Write(line, bad ? "red" : warning ? "yellow" : good ? "green" : null);
    }

    private void Write(string line, string? style)
    {
        if (_colours is null || style is null)
        {
            Output.WriteLine(line);
        }
        else
        {
            _colours.MarkupLine($"[{style}]{Markup.Escape(line)}[/]");
        }
    }
}
