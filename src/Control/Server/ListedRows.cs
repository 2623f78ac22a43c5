using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>A kind with rows of one type. Rows exist a page at a time only: conntrack may have two million.</summary>
internal sealed class ListedRows<TRow>(ControlKind<TRow> kind, Func<string?, int, CancellationToken, ValueTask<ListResult<TRow>>> list)
    : ListedKind(kind.Name, kind.Live)
{
    private readonly JsonTypeInfo<ListResult<TRow>> _pageType = ControlJson.Default.For<ListResult<TRow>>();
    private readonly JsonTypeInfo<TRow> _rowType = ControlJson.Default.For<TRow>();

    public override async ValueTask<Answer> ListAsync(ListRequest request, int pageLength, CancellationToken cancellation)
    {
        if (request.Limit < 1)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"limit: {request.Limit} is less than 1");
        }

        ListResult<TRow> page = await list(request.Cursor, Math.Min(request.Limit ?? pageLength, pageLength), cancellation);
        return new Answer(writer => JsonSerializer.Serialize(writer, page, _pageType));
    }

    public override async ValueTask WalkAsync(Subscription subscription, CancellationToken cancellation)
    {
        ArrayBufferWriter<byte> json = new(1024);
        using Utf8JsonWriter writer = new(json, ControlJson.s_writer);
        string? cursor = null;
        do
        {
            ListResult<TRow> page = await list(cursor, WatchPageLength, cancellation);
            foreach (TRow row in page.Items)
            {
                json.ResetWrittenCount();
                writer.Reset();
                JsonSerializer.Serialize(writer, row, _rowType);
                await subscription.SeeAsync(kind.Key(row), json.WrittenMemory);
            }

            cursor = page.Next;
        }
        while (cursor is not null);
    }
}
