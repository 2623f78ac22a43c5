using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;

namespace ClusterMesh.Datapath.Cli;

/// <summary>cmesh --version: name and version as the forwarder says them, without the commit that the build appends.</summary>
internal sealed class VersionAction(Screen screen) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        string? version = typeof(VersionAction).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        screen.Output.WriteLine($"cmesh {version?.Split('+')[0] ?? "?"}");
        return CommandLine.Ok;
    }
}
