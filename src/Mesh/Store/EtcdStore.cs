using System.Runtime.CompilerServices;
using System.Text;
using Etcdserverpb;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Grpc.Core;
using Grpc.Net.Client;
using Mvccpb;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// An etcd as cluster store: the own one, or another cluster's to read from. It does not retry; who asks decides. The first answer pins
/// the etcd's cluster id: an answer of another etcd is <see cref="StoreFault.Replaced"/> from then on, and a new store must be opened.
/// </summary>
public sealed class EtcdStore(EtcdSettings settings) : IClusterStore
{
    private static readonly Metadata s_requireLeader = new() { { "hasleader", "true" } };

    private readonly EtcdConnection _connection = new(settings);
    private readonly CancellationTokenSource _closing = new();
    private long _clusterId;
    private volatile StoreHealth _health = new(false, "not connected yet");

    public StoreHealth Health => _health;

    /// <summary>The etcd's cluster id; 0 before the first answer.</summary>
    public ulong ClusterId => (ulong)Interlocked.Read(ref _clusterId);

    /// <summary>The certificate trouble of the last handshake, in a sentence.</summary>
    public string? TlsMistake => _connection.TlsMistake;

    public async Task<StoreEntry?> GetAsync(string key, CancellationToken cancellation = default)
    {
        RangeResponse response = await CallAsync(
            (channel, options) => new KV.KVClient(channel).RangeAsync(new RangeRequest { Key = Utf8(key) }, options), r => r.Header, cancellation);
        return response.Kvs.Count == 0 ? null : EntryOf(response.Kvs[0]);
    }

    public async Task<StorePage> ListAsync(string prefix, StorePage? previous, int limit, CancellationToken cancellation = default)
    {
        EtcdPage at = previous?.Next as EtcdPage ?? new EtcdPage(Utf8(prefix), limit);
        while (true)
        {
            RangeRequest request = new()
            {
                Key = at.From,
                RangeEnd = EndOf(prefix),
                Limit = at.Limit,
                Revision = previous?.Revision ?? 0,
                Serializable = true,
                SortOrder = RangeRequest.Types.SortOrder.Ascend,
                SortTarget = RangeRequest.Types.SortTarget.Key,
            };
            try
            {
                RangeResponse response = await CallAsync((channel, options) => new KV.KVClient(channel).RangeAsync(request, options), r => r.Header, cancellation);
                return new StorePage(
                    [.. response.Kvs.Select(EntryOf)], previous?.Revision ?? response.Header.Revision,
                    response.More && response.Kvs.Count > 0 ? new EtcdPage(Behind(response.Kvs[^1].Key), limit) : null);
            }
            catch (StoreException fault) when (fault.InnerException is RpcException { StatusCode: StatusCode.ResourceExhausted } && at.Limit > 1)
            {
                // Values are larger than anybody expects: fewer at once.
                at = at with { Limit = Math.Max(1, at.Limit / 8) };
            }
            catch (StoreException fault) when (fault.InnerException is RpcException { StatusCode: StatusCode.ResourceExhausted })
            {
                // One value that cannot be taken at all is passed over.
                request.KeysOnly = true;
                RangeResponse response = await CallAsync((channel, options) => new KV.KVClient(channel).RangeAsync(request, options), r => r.Header, cancellation);
                return new StorePage(
                    [], previous?.Revision ?? response.Header.Revision,
                    response.More && response.Kvs.Count > 0 ? new EtcdPage(Behind(response.Kvs[^1].Key), limit) : null);
            }
        }
    }

    public async Task<bool> CommitAsync(IReadOnlyList<StoreWrite> writes, CancellationToken cancellation = default)
    {
        TxnRequest request = new();
        foreach (StoreWrite write in writes)
        {
            ByteString key = Utf8(write.Key);
            if (write.Expected is long expected)
            {
                request.Compare.Add(new Compare
                {
                    Key = key,
                    Target = Compare.Types.CompareTarget.Mod,
                    Result = Compare.Types.CompareResult.Equal,
                    ModRevision = expected,
                });
            }

            request.Success.Add(write.Value is ReadOnlyMemory<byte> value
                ? new RequestOp { RequestPut = new PutRequest { Key = key, Value = UnsafeByteOperations.UnsafeWrap(value), Lease = write.Lease } }
                : new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = key } });
        }

        TxnResponse response = await CallAsync((channel, options) => new KV.KVClient(channel).TxnAsync(request, options), r => r.Header, cancellation);
        return response.Succeeded;
    }

    public Task DeletePrefixAsync(string prefix, CancellationToken cancellation = default) => CallAsync(
        (channel, options) => new KV.KVClient(channel).DeleteRangeAsync(new DeleteRangeRequest { Key = Utf8(prefix), RangeEnd = EndOf(prefix) }, options),
        r => r.Header, cancellation);

    public async Task<long> GrantLeaseAsync(TimeSpan timeToLive, CancellationToken cancellation = default) => (await CallAsync(
        (channel, options) => new Lease.LeaseClient(channel).LeaseGrantAsync(new LeaseGrantRequest { TTL = (long)Math.Ceiling(timeToLive.TotalSeconds) }, options),
        r => r.Header, cancellation)).ID;

    public async Task<bool> KeepLeaseAliveAsync(long lease, CancellationToken cancellation = default)
    {
        LeaseKeepAliveResponse response = await CallAsync(
            (channel, options) => new AsyncUnaryCall<LeaseKeepAliveResponse>(
                KeepAliveOnceAsync(channel, options, lease), Task.FromResult(new Metadata()), () => Status.DefaultSuccess, () => [], () => { }),
            r => r.Header, cancellation);
        return response.TTL > 0;
    }

    public async Task RevokeLeaseAsync(long lease, CancellationToken cancellation = default)
    {
        try
        {
            await CallAsync(
                (channel, options) => new Lease.LeaseClient(channel).LeaseRevokeAsync(new LeaseRevokeRequest { ID = lease }, options), r => r.Header, cancellation);
        }
        catch (StoreException fault) when (fault.InnerException is RpcException { StatusCode: StatusCode.NotFound })
        {
            // It has expired by itself.
        }
    }

    public async IAsyncEnumerable<StoreBatch> WatchAsync(string prefix, long fromRevision, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        GrpcChannel channel = _connection.Channel;
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _closing.Token);
        using AsyncDuplexStreamingCall<WatchRequest, WatchResponse> call =
            new Watch.WatchClient(channel).Watch(new CallOptions(s_requireLeader, cancellationToken: ending.Token));

        // One revision early: when history was compacted at the very revision a watch begins with, etcd tells its writes but not its
        // deletions. Beginning before it is refused as compacted instead, and the list that follows finds what has gone.
        WatchRequest request = new()
        {
            CreateRequest = new WatchCreateRequest { Key = Utf8(prefix), RangeEnd = EndOf(prefix), StartRevision = Math.Max(1, fromRevision - 1), ProgressNotify = true },
        };
        await GuardAsync(channel, async () =>
        {
            await call.RequestStream.WriteAsync(request, ending.Token);
            return true;
        }, cancellation);
        while (await GuardAsync(channel, () => NextAsync(call, ending.Token), cancellation))
        {
            WatchResponse response = call.ResponseStream.Current;
            Pin(response.Header);
            if (response.CompactRevision != 0)
            {
                throw new StoreException(StoreFault.Compacted, $"{_connection.Endpoint}: revision {fromRevision} was compacted away");
            }

            if (response.Canceled)
            {
                throw new StoreException(
                    response.CancelReason.Contains("permission", StringComparison.OrdinalIgnoreCase) ? StoreFault.Denied : StoreFault.Unavailable,
                    $"{_connection.Endpoint}: the watch of {prefix} was ended: {response.CancelReason}");
            }

            if (response.Created && response.Header.Revision + 1 < fromRevision)
            {
                // An etcd restored from an older copy would stay silent until it gets there.
                throw new StoreException(StoreFault.Compacted, $"{_connection.Endpoint}: revision {fromRevision} is not there yet; the etcd has lost data");
            }

            if (response.Created)
            {
                yield return new StoreBatch([], fromRevision - 1);
            }
            else
            {
                yield return new StoreBatch([.. response.Events.Where(e => e.Kv.ModRevision >= fromRevision).Select(ChangeOf)], response.Header.Revision);
            }
        }

        throw Unavailable("the connection was closed", null);
    }

    /// <summary>Version of the server that answers, for troubleshooting: 3.4.23.</summary>
    public async Task<string> GetVersionAsync(CancellationToken cancellation = default) => (await CallAsync(
        (channel, options) => new Maintenance.MaintenanceClient(channel).StatusAsync(new StatusRequest(), options), r => r.Header, cancellation)).Version;

    /// <summary>A request about users and roles.</summary>
    internal Task<T> AskUsersAsync<T>(Func<Auth.AuthClient, CallOptions, AsyncUnaryCall<T>> call, Func<T, ResponseHeader> header, CancellationToken cancellation) =>
        CallAsync((channel, options) => call(new Auth.AuthClient(channel), options), header, cancellation);

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _connection.Dispose();
        _health = new StoreHealth(false, "closed");
    }

    private static async Task<bool> NextAsync(AsyncDuplexStreamingCall<WatchRequest, WatchResponse> call, CancellationToken cancellation) =>
        await call.ResponseStream.MoveNext(cancellation);

    private static async Task<LeaseKeepAliveResponse> KeepAliveOnceAsync(GrpcChannel channel, CallOptions options, long lease)
    {
        using AsyncDuplexStreamingCall<LeaseKeepAliveRequest, LeaseKeepAliveResponse> call = new Lease.LeaseClient(channel).LeaseKeepAlive(options);
        await call.RequestStream.WriteAsync(new LeaseKeepAliveRequest { ID = lease });
        await call.RequestStream.CompleteAsync();
        return await call.ResponseStream.MoveNext(options.CancellationToken)
            ? call.ResponseStream.Current
            : throw new RpcException(new Status(StatusCode.Unavailable, "no answer to the keepalive"));
    }

    private static ByteString Utf8(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The first key behind all that begin with the prefix; none ends in 0xFF here.</summary>
    private static ByteString EndOf(string prefix)
    {
        if (prefix.Length == 0)
        {
            return ByteString.CopyFrom(0);
        }

        byte[] end = Encoding.UTF8.GetBytes(prefix);
        end[^1]++;
        return UnsafeByteOperations.UnsafeWrap(end);
    }

    private static ByteString Behind(ByteString key)
    {
        byte[] next = new byte[key.Length + 1];
        key.Span.CopyTo(next);
        return UnsafeByteOperations.UnsafeWrap(next);
    }

    private static StoreEntry EntryOf(KeyValue pair) => new(pair.Key.ToStringUtf8(), pair.Value.Memory, pair.ModRevision, pair.Lease);

    private static StoreChange ChangeOf(Event change) => new(
        change.Kv.Key.ToStringUtf8(), change.Type == Event.Types.EventType.Delete ? (ReadOnlyMemory<byte>?)null : change.Kv.Value.Memory, change.Kv.ModRevision);

    private Task<T> CallAsync<T>(Func<GrpcChannel, CallOptions, AsyncUnaryCall<T>> call, Func<T, ResponseHeader> header, CancellationToken cancellation)
    {
        GrpcChannel channel = _connection.Channel;
        return GuardAsync(channel, async () =>
        {
            using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _closing.Token);
            using AsyncUnaryCall<T> under = call(channel, new CallOptions(deadline: DateTime.UtcNow + settings.Timeout, cancellationToken: ending.Token));
            T response = await under.ResponseAsync;
            Pin(header(response));
            return response;
        }, cancellation);
    }

    /// <summary>Turns what gRPC says into one sentence, and remembers it as the state of the store.</summary>
    private async Task<T> GuardAsync<T>(GrpcChannel channel, Func<Task<T>> call, CancellationToken cancellation)
    {
        try
        {
            T result = await call();
            _health = new StoreHealth(true, _connection.Endpoint);
            return result;
        }
        catch (Exception) when (cancellation.IsCancellationRequested || _closing.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation.IsCancellationRequested ? cancellation : _closing.Token);
        }
        catch (Exception fault) when (fault is RpcException or InvalidOperationException or IOException or HttpRequestException)
        {
            // The others are what escapes gRPC when the connection breaks in the middle of a stream.
            StoreException said = fault is RpcException rpc ? Describe(rpc) : Unavailable("the connection was closed", fault);
            if (said.Fault == StoreFault.Unavailable)
            {
                _connection.TryNext(channel);
                _health = new StoreHealth(false, said.Message);
            }
            else if (said.Fault == StoreFault.Denied)
            {
                _health = new StoreHealth(false, said.Message);
            }

            throw said;
        }
    }

    private StoreException Describe(RpcException fault)
    {
        string detail = fault.Status.Detail;
        return fault.StatusCode switch
        {
            StatusCode.OutOfRange => new StoreException(StoreFault.Compacted, $"{_connection.Endpoint}: the revision is no longer there ({detail})", fault),
            StatusCode.PermissionDenied or StatusCode.Unauthenticated => new StoreException(
                StoreFault.Denied, $"{_connection.Endpoint}: this certificate may not do that ({detail}); look at the user's role", fault),
            StatusCode.ResourceExhausted when detail.Contains("space", StringComparison.Ordinal) =>
                new StoreException(StoreFault.Full, $"{_connection.Endpoint}: etcd has no space left; nothing was stored", fault),
            StatusCode.InvalidArgument or StatusCode.ResourceExhausted or StatusCode.NotFound or StatusCode.FailedPrecondition =>
                new StoreException(StoreFault.Refused, $"{_connection.Endpoint}: etcd refuses: {detail}", fault),
            StatusCode.DeadlineExceeded => Unavailable($"no answer within {settings.Timeout.TotalSeconds:0} s", fault),
            _ => Unavailable(Innermost(fault), fault),
        };
    }

    private StoreException Unavailable(string reason, Exception? fault) =>
        _connection.TlsMistake is string mistake
            ? new StoreException(StoreFault.Unavailable, $"{_connection.Endpoint}: {mistake}", fault)
            : new StoreException(StoreFault.Unavailable, $"{_connection.Endpoint}: {reason}", fault);

    private static string Innermost(RpcException fault)
    {
        Exception? reason = fault.Status.DebugException;
        while (reason?.InnerException is not null)
        {
            reason = reason.InnerException;
        }

        return (reason?.Message ?? fault.Status.Detail).TrimEnd('.');
    }

    private void Pin(ResponseHeader header)
    {
        long seen = Interlocked.CompareExchange(ref _clusterId, (long)header.ClusterId, 0);
        if (seen != 0 && seen != (long)header.ClusterId)
        {
            StoreException replaced = new(
                StoreFault.Replaced, $"{_connection.Endpoint}: etcd cluster ID has changed from {(ulong)seen:x} to {header.ClusterId:x}; another etcd answers there");
            _health = new StoreHealth(false, replaced.Message);
            throw replaced;
        }
    }

    /// <summary>Where a page begins. The key in bytes, since another's keys need not be text.</summary>
    private sealed record EtcdPage(ByteString From, int Limit);
}
