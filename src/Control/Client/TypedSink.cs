using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Client;

/// <summary>The events of one watch, until they are asked for.</summary>
internal sealed class TypedSink<TRow>(JsonTypeInfo<WatchEvent<TRow>> type) : EventSink
    where TRow : class
{
    private readonly Channel<WatchEvent<TRow>> _events =
        Channel.CreateBounded<WatchEvent<TRow>>(new BoundedChannelOptions(1024) { SingleReader = true, SingleWriter = true });

    public ChannelReader<WatchEvent<TRow>> Events => _events.Reader;

    public override ValueTask TakeAsync(in ReadOnlySequence<byte> parameters)
    {
        WatchEvent<TRow> taken;
        try
        {
            taken = ControlJson.Read(parameters, type);
        }
        catch (JsonException fault)
        {
            Close(new ControlConnectionException(
                $"the forwarder's event cannot be read ({JsonFault.Describe(fault)}); are forwarder and client of one version?", fault));
            return ValueTask.CompletedTask;
        }

        return PutAsync(taken);
    }

    public override void Close(Exception? reason) => _events.Writer.TryComplete(reason);

    private async ValueTask PutAsync(WatchEvent<TRow> taken)
    {
        try
        {
            await _events.Writer.WriteAsync(taken);
        }
        catch (ChannelClosedException)
        {
            // Nobody listens any more; the unwatch is on its way.
        }
    }
}
