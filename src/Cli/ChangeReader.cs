using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Cli;

/// <summary>Reads a change that a person wrote, in YAML or JSON. The one place that knows in what language.</summary>
internal static class ChangeReader
{
    /// <param name="path">A file, or - for standard input.</param>
    public static ChangeDocument Read(string path, TextReader input)
    {
        try
        {
            return path == "-" ? ChangeFile.Parse("standard input", input.ReadToEnd()).Document : ChangeFile.Read(path).Document;
        }
        catch (ConfigurationException fault)
        {
            throw new ControlException(ErrorCode.InvalidConfiguration, fault.Message);
        }
    }
}
