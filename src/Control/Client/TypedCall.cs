using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ClusterMesh.Datapath.Control.Client;

/// <summary>A request that waits for a result of one type.</summary>
/// <param name="arrived">Runs before the next message is read: the place to register for events that follow at once.</param>
internal sealed class TypedCall<TResult>(JsonTypeInfo<TResult> type, Action<TResult>? arrived) : PendingCall
{
    private readonly TaskCompletionSource<TResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<TResult> Result => _result.Task;

    public override void Complete(in ReadOnlySequence<byte> result)
    {
        try
        {
            TResult value = ControlJson.Read(result, type);
            arrived?.Invoke(value);
            _result.TrySetResult(value);
        }
        catch (JsonException fault)
        {
            Fail(new ControlConnectionException(
                $"the forwarder's answer cannot be read ({JsonFault.Describe(fault)}); are forwarder and client of one version?", fault));
        }
    }

    public override void Fail(Exception reason) => _result.TrySetException(reason);
}
