using System.Text.Json;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>The web page of one node and what it asks for: snapshots in JSON and a stream of flows, all for reading only.</summary>
public static class PageEndpoints
{
    private const int LongestSpan = 600;
    private const int DefaultSpan = 60;
    private const int MostRows = 1000;
    private const int DefaultRows = 200;

    /// <param name="read">Makes a state; called on any thread, not by several at once.</param>
    /// <param name="clock">Of the events.</param>
    public static WebApplication MapPage(this WebApplication web, FlowStore store, ObserverNode node, Func<PageState> read, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(web);
        PageSource source = new(store, node, read, clock);
        web.Use(PageGuard.RunAsync);
        PageAssets.Map(web);
        Map("/data/status", (_, json) => PageJson.WriteStatus(json, source));
        Map("/data/map", (query, json) => PageJson.WriteMap(json, source, NumberOf(query, "seconds", DefaultSpan, LongestSpan)));
        Map("/data/flows", (query, json) => PageJson.WriteFlows(json, source, PageFlowFilter.Parse(query), NumberOf(query, "last", DefaultRows, MostRows)));
        Map("/data/reasons", (_, json) => PageJson.WriteReasons(json));
        web.MapGet("/data/stream", new PageStream(source).RunAsync);
        web.MapFallback(context => PageJson.RefuseAsync(context, StatusCodes.Status404NotFound, "nothing is here; the page is at /"));
        return web;

        void Map(string path, Action<IQueryCollection, Utf8JsonWriter> write) => web.MapGet(path, async context =>
        {
            byte[] content;
            try
            {
                content = AgentJson.Write(json => write(context.Request.Query, json));
            }
            catch (FilterException fault)
            {
                await PageJson.RefuseAsync(context, StatusCodes.Status400BadRequest, fault.Message).ConfigureAwait(false);
                return;
            }

            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(content, context.RequestAborted).ConfigureAwait(false);
        });
    }

    private static int NumberOf(IQueryCollection query, string name, int usual, int most) =>
        query[name].ToString() is { Length: > 0 } text ? PageFlowFilter.Number(text, name, 1, most) : usual;
}
