using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>Changes as tests ask for them.</summary>
internal static class Change
{
    public static Task<ChangeResult> MergeAsync(this ControlClient client, params EndpointDocument[] endpoints) =>
        client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Endpoints = endpoints });

    public static Task<ChangeResult> MergeAsync(this ControlClient client, params ServiceDocument[] services) =>
        client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Services = services });

    public static EndpointDocument Endpoint(this World world, string name, string address) =>
        new() { Name = $"default/{name}", Namespace = world.Namespace(name), Addresses = [address] };

    /// <param name="frontend">Address and port; a NodePort has a port alone.</param>
    public static ServiceDocument Service(string name, string frontend, params string[] backends) => new()
    {
        Name = name,
        Frontends = [frontend.Contains(':', StringComparison.Ordinal) ? new FrontendDocument { Address = Host(frontend), Port = Port(frontend) } : new FrontendDocument { Type = "NodePort", Port = Port(frontend) }],
        Backends = [.. backends.Select(b => new BackendDocument { Address = Host(b), Port = Port(b) })],
    };

    private static string Host(string endpoint) => endpoint[..endpoint.IndexOf(':', StringComparison.Ordinal)];

    private static int Port(string endpoint) => int.Parse(endpoint[(endpoint.IndexOf(':', StringComparison.Ordinal) + 1)..]);
}
