using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace ClusterMesh.Datapath.Observe.AgentApi;

/// <summary>The part of the agent's REST API that Cilium's command line needs for its lists, on the socket of the program that maps it (HTTP/1.1).</summary>
public static class AgentEndpoints
{
    /// <param name="read">Makes a state for one request; called on any thread, also by several at once.</param>
    public static IEndpointRouteBuilder MapAgentApi(this IEndpointRouteBuilder endpoints, Func<AgentState> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        Map("/v1/healthz", (json, state) => AgentJson.WriteStatus(json, state.Status));
        Map("/v1/service", (json, state) => AgentJson.WriteArray(json, state.Services, AgentJson.WriteService));
        Map("/v1/cluster/nodes", (json, state) => AgentJson.WriteNodes(json, state.Nodes));
        Map("/v1/endpoint", (json, state) => AgentJson.WriteArray(json, state.Endpoints, AgentJson.WriteEndpoint));
        Map("/v1/identity", (json, state) => AgentJson.WriteArray(json, state.Identities, AgentJson.WriteIdentity));
        Map("/v1/ip", (json, state) => AgentJson.WriteArray(json, state.Addresses, AgentJson.WriteAddress));

        // `ip list` asks for the labels of each identity that it meets.
        endpoints.MapGet("/v1/identity/{id}", context =>
        {
            IResult answer = AgentJson.Find(read().Identities, (string)context.Request.RouteValues["id"]!) is { } identity
                ? Answer(json => AgentJson.WriteIdentity(json, identity))
                : Results.NotFound();
            return answer.ExecuteAsync(context);
        });
        return endpoints;

        void Map(string path, Action<Utf8JsonWriter, AgentState> write) => endpoints.MapGet(path, context => Answer(json => write(json, read())).ExecuteAsync(context));
    }

    private static IResult Answer(Action<Utf8JsonWriter> content) => Results.Bytes(AgentJson.Write(content), "application/json");
}
