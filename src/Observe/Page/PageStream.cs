using System.Buffers;
using System.Text.Json;
using ClusterMesh.Datapath.Observe.Filters;
using ClusterMesh.Datapath.Observe.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>
/// Flows as they come, as server-sent events: twice a second at most <see cref="MostRows"/> that match. What comes faster than a person
/// could read is skipped and its number told, so that a page costs the node the same at any rate.
/// </summary>
internal sealed class PageStream(PageSource source)
{
    private const int MostRows = 100;
    private const int MostEvents = 4096;
    private const int MostReaders = 16;
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(500);
    private static readonly byte[] s_start = "data: "u8.ToArray();
    private static readonly byte[] s_end = "\n\n"u8.ToArray();

    private int _readers;

    public async Task RunAsync(HttpContext context)
    {
        PageFlowFilter filter;
        try
        {
            filter = PageFlowFilter.Parse(context.Request.Query);
        }
        catch (FilterException fault)
        {
            await PageJson.RefuseAsync(context, StatusCodes.Status400BadRequest, fault.Message).ConfigureAwait(false);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _readers) > MostReaders)
            {
                await PageJson.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, $"{MostReaders} pages follow the flows already; close one").ConfigureAwait(false);
                return;
            }

            context.Response.ContentType = "text/event-stream";
            await FollowAsync(context, filter).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The page was closed, or the agent ends.
        }
        finally
        {
            Interlocked.Decrement(ref _readers);
        }
    }

    private async Task FollowAsync(HttpContext context, PageFlowFilter filter)
    {
        IHostApplicationLifetime lifetime = context.RequestServices.GetRequiredService<IHostApplicationLifetime>();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        CancellationToken cancellation = end.Token;
        FlowStore store = source.Store;
        ObservedFlow flow = new(source.Node, store.Instance);
        FlowSlot[] batch = new FlowSlot[MostEvents];
        ulong sequence = store.Next;
        await WriteAsync(context, _ => 0, 0).ConfigureAwait(false);
        while (true)
        {
            await store.WaitAsync(sequence, cancellation).ConfigureAwait(false);
            ulong next = store.Next;
            ulong start = next - sequence > MostEvents ? next - MostEvents : sequence;
            ulong skipped = start - sequence;
            sequence = start;
            int count = store.Read(ref sequence, batch);
            ulong first = sequence;
            await WriteAsync(context, json => WriteRows(json, flow, filter, batch.AsSpan(0, count), first), skipped + (first - start)).ConfigureAwait(false);
            sequence += (ulong)count;
            await Task.Delay(s_rest, source.Clock, cancellation).ConfigureAwait(false);
        }
    }

    /// <returns>Rows that match and did not fit.</returns>
    private static int WriteRows(Utf8JsonWriter json, ObservedFlow flow, PageFlowFilter filter, ReadOnlySpan<FlowSlot> slots, ulong sequence)
    {
        int rows = 0;
        foreach (ref readonly FlowSlot slot in slots)
        {
            if (!slot.IsNotice)
            {
                flow.Load(slot, sequence);
                if (filter.Matches(flow) && ++rows <= MostRows)
                {
                    PageJson.WriteFlow(json, flow, sequence);
                }
            }

            sequence++;
        }

        return Math.Max(0, rows - MostRows);
    }

    private static async Task WriteAsync(HttpContext context, Func<Utf8JsonWriter, int> rows, ulong skipped)
    {
        ArrayBufferWriter<byte> content = new();
        content.Write(s_start);
        using (Utf8JsonWriter json = new(content))
        {
            json.WriteStartObject();
            json.WriteStartArray("flows");
            int more = rows(json);
            json.WriteEndArray();
            json.WriteNumber("skipped", skipped + (ulong)more);
            json.WriteEndObject();
        }

        content.Write(s_end);
        await context.Response.Body.WriteAsync(content.WrittenMemory, context.RequestAborted).ConfigureAwait(false);
        await context.Response.Body.FlushAsync(context.RequestAborted).ConfigureAwait(false);
    }
}
