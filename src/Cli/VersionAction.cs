using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace ClusterMesh.Datapath.Cli;

/// <summary>cmesh --version: name and version as the forwarder says them, without the commit that the build appends.</summary>
internal sealed class VersionAction(Screen screen) : SynchronousCommandLineAction
{
    public static string Version { get; } = typeof(VersionAction).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "?";

    public override int Invoke(ParseResult parseResult)
    {
        screen.Output.WriteLine($"cmesh {Version}");
        return CommandLine.Ok;
    }
}
