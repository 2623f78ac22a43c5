using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>What is in force on a node, in the words of a node file.</summary>
internal static class EffectiveConfiguration
{
    /// <summary>With every default filled in, but without identities and their addresses, which are listed in pages.</summary>
    public static NodeDocument Describe(StateWriter writer, NodeFile file) => DocumentWriter.Write(file.Local, file.SocketPath, WithoutIdentities(writer));

    /// <summary>All of it: read as a node file it gives the same configuration again.</summary>
    public static NodeDocument DescribeAll(StateWriter writer, NodeFile file) => DocumentWriter.Write(file.Local, file.SocketPath, WithoutIdentities(writer) with
    {
        Ipcache = [.. writer.Desired.Ipcache.Values],
        Identities = [.. writer.Desired.Identities.Values],
    });

    /// <summary>Has the workers know the backends of services before any packet can be sent to one.</summary>
    /// <param name="known">Null where there is one worker.</param>
    public static void Teach(KnownBackends? known, IReadOnlyList<ServiceSpec> services)
    {
        foreach (ServiceSpec service in known is null ? [] : services)
        {
            foreach (BackendSpec backend in service.Backends)
            {
                known!.Add(backend.Address, backend.Port, service.Protocol, hasSessions: service.AffinitySeconds > 0);
            }
        }
    }

    private static DesiredChange WithoutIdentities(StateWriter writer) => new()
    {
        Masquerade = writer.Desired.Masquerade,
        Endpoints = [.. writer.Desired.Endpoints.Values.OrderBy(e => e.Name, StringComparer.Ordinal)],
        Nodes = [.. writer.Desired.Nodes.Values.OrderBy(n => DesiredState.NodeKey(n.Cluster, n.Name), StringComparer.Ordinal)],
        Routes = [.. writer.Desired.Routes.Values.OrderBy(r => r.Prefix)],
        Services = [.. writer.Desired.Services.Values.OrderBy(s => s.Name, StringComparer.Ordinal)],
        Policies = [.. writer.Desired.Policies.Values.OrderBy(p => p.Name, StringComparer.Ordinal)],
    };
}
