using System.ComponentModel;
using System.Reflection;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>The words of <see cref="DropReason"/>, for people. Reads attributes by reflection: not for the packet path.</summary>
public static class DropReasons
{
    /// <summary>The reason's description and nothing else; its name when it has none.</summary>
    public static string TextOf(DropReason reason) =>
        typeof(DropReason).GetField(reason.ToString())?.GetCustomAttribute<DescriptionAttribute>()?.Description ?? reason.ToString();
}
