using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control.Client;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Control.Server;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// Asks a forwarder over its control socket. May be used from several threads at once. A refused request throws
/// <see cref="ControlException"/>, a lost or missing forwarder <see cref="ControlConnectionException"/>.
/// </summary>
public sealed class ControlClient : IAsyncDisposable
{
    /// <summary>
    /// Rows asked for at once. Short pages die young in the forwarder: a dump of 2,000,000 conntrack rows stopped its threads for
    /// 19 ms in all with 1,000 rows a page, for 250 ms with 10,000, and took the same time.
    /// </summary>
    private const int PageLength = 1_000;

    private readonly string _path;
    private readonly TimeSpan _answerTimeout;
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly PipeReader _reader;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<long, PendingCall> _pending = new();
    private readonly ConcurrentDictionary<long, EventSink> _sinks = new();
    private readonly Task _reading;
    private long _lastId;
    private volatile Exception? _end;

    private ControlClient(string path, TimeSpan answerTimeout, Socket socket)
    {
        _path = path;
        _answerTimeout = answerTimeout;
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: false);
        _reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(bufferSize: 64 * 1024, minimumReadSize: 4096));
        _reading = Task.Run(ReadAsync);
    }

    /// <summary>Whether policies let a packet pass, and why.</summary>
    /// <param name="from">An endpoint's name or an address.</param>
    /// <param name="port">80/TCP, or an ICMP type: 8/ICMP.</param>
    public Task<ExplainResult> ExplainAsync(string from, string to, string port, CancellationToken cancellation = default) =>
        CallAsync("explain", new ExplainRequest(from, to, port), ControlJson.Default.ExplainRequest, ControlJson.Tolerant.ExplainResult, cancellation);

    /// <summary>Connects, or says in a sentence why not and what to do.</summary>
    /// <param name="answerTimeout">
    /// How long a request may remain unanswered, and a watch silent before its first full set is there: then the connection is given
    /// up and the request throws <see cref="ControlConnectionException"/>. For ever when null.
    /// </param>
    public static async Task<ControlClient> ConnectAsync(string path, TimeSpan? answerTimeout = null, CancellationToken cancellation = default)
    {
        UnixDomainSocketEndPoint address = SocketFile.AddressOf(path);
        if (!File.Exists(path))
        {
            throw new ControlConnectionException($"{path}: there is no such socket; start the node's forwarder or give another socket");
        }

        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(address, cancellation);
            return new ControlClient(path, answerTimeout ?? Timeout.InfiniteTimeSpan, socket);
        }
        catch (SocketException fault)
        {
            socket.Dispose();
            string what = fault.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => "no forwarder answers there; it has ended without removing its socket: start it again",
                SocketError.WouldBlock or SocketError.TryAgain => "it takes no more connections; is the forwarder stopped or overloaded?",
                SocketError.AccessDenied => "permission denied; run as root or as a member of the socket's group",
                _ => $"cannot connect ({fault.Message}); start the node's forwarder or give another socket",
            };
            throw new ControlConnectionException($"{path}: {what}", fault);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public Task<StatusReport> GetStatusAsync(CancellationToken cancellation = default) =>
        CallAsync("status", new NoContent(), ControlJson.Default.NoContent, ControlJson.Tolerant.StatusReport, cancellation);

    public Task<NodeDocument> GetConfigAsync(CancellationToken cancellation = default) =>
        CallAsync("config", new NoContent(), ControlJson.Default.NoContent, ControlJson.Tolerant.NodeDocument, cancellation);

    public Task<ChangeResult> ApplyAsync(ApplyMode mode, ChangeDocument config, CancellationToken cancellation = default) =>
        CallAsync("apply", new ApplyRequest(mode, config), ControlJson.Default.ApplyRequest, ControlJson.Tolerant.ChangeResult, cancellation);

    public Task<MaglevResult> GetMaglevAsync(string service, int? tableSize, CancellationToken cancellation = default) =>
        CallAsync("maglev", new MaglevRequest(service, tableSize), ControlJson.Default.MaglevRequest, ControlJson.Tolerant.MaglevResult, cancellation);

    public Task<SelectResult> SelectAsync(string service, string from, CancellationToken cancellation = default) =>
        CallAsync("select", new SelectRequest(service, from), ControlJson.Default.SelectRequest, ControlJson.Tolerant.SelectResult, cancellation);

    public Task<TraceResult> TraceAsync(TraceRequest request, CancellationToken cancellation = default) =>
        CallAsync("trace", request, ControlJson.Default.TraceRequest, ControlJson.Tolerant.TraceResult, cancellation);

    public Task<CaptureResult> CaptureAsync(CaptureRequest request, CancellationToken cancellation = default) =>
        CallAsync("capture", request, ControlJson.Default.CaptureRequest, ControlJson.Tolerant.CaptureResult, cancellation);

    public Task<ChangeResult> DeleteAsync(string kind, IReadOnlyList<string> names, CancellationToken cancellation = default) =>
        CallAsync("delete", new DeleteRequest(kind, names), ControlJson.Default.DeleteRequest, ControlJson.Tolerant.ChangeResult, cancellation);

    /// <summary>All rows of a kind, a page at a time.</summary>
    public async IAsyncEnumerable<TRow> ListAsync<TRow>(
        ControlKind<TRow> kind, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        JsonTypeInfo<ListResult<TRow>> type = ControlJson.Tolerant.For<ListResult<TRow>>();
        string? cursor = null;
        do
        {
            ListRequest request = new(kind.Name, PageLength, cursor);
            ListResult<TRow> page = await CallAsync("list", request, ControlJson.Default.ListRequest, type, cancellation);
            foreach (TRow row in page.Items)
            {
                yield return row;
            }

            cursor = page.Next;
        }
        while (cursor is not null);
    }

    /// <summary>
    /// What there is and then what happens to it. Ends when the loop over it is left, cancelled, or after an
    /// <see cref="WatchEventType.Ended"/>; throws when the forwarder goes away.
    /// </summary>
    /// <param name="interval">How often live kinds are compared; a second when null.</param>
    public async IAsyncEnumerable<WatchEvent<TRow>> WatchAsync<TRow>(
        ControlKind<TRow> kind, TimeSpan? interval = null, [EnumeratorCancellation] CancellationToken cancellation = default)
        where TRow : class
    {
        TypedSink<TRow> sink = new(ControlJson.Tolerant.For<WatchEvent<TRow>>());
        WatchRequest request = new(kind.Name, (int?)interval?.TotalMilliseconds);
        WatchResult watch = await CallAsync(
            "watch", request, ControlJson.Default.WatchRequest, ControlJson.Tolerant.WatchResult, result => Register(result, sink), cancellation);
        bool synced = false;
        bool ended = false;
        try
        {
            while (!ended && await WaitForEventAsync(sink, synced, cancellation))
            {
                while (!ended && sink.Events.TryRead(out WatchEvent<TRow>? happened))
                {
                    synced |= happened.Type == WatchEventType.Synced;
                    ended = happened.Type == WatchEventType.Ended;
                    yield return happened;
                }
            }
        }
        finally
        {
            _sinks.TryRemove(watch.Subscription, out _);
            sink.Close(null);
            if (!ended && _end is null)
            {
                await UnwatchAsync(watch.Subscription);
            }
        }
    }

    /// <summary>Any method; the ones above are made of this.</summary>
    public Task<TResult> CallAsync<TParams, TResult>(
        string method, TParams parameters, JsonTypeInfo<TParams> parametersType, JsonTypeInfo<TResult> resultType,
        CancellationToken cancellation = default) =>
        CallAsync(method, parameters, parametersType, resultType, null, cancellation);

    public async ValueTask DisposeAsync()
    {
        _end ??= new ObjectDisposedException(nameof(ControlClient));
        _socket.Dispose();
        await _reading;
        await _stream.DisposeAsync();
    }

    private async Task<TResult> CallAsync<TParams, TResult>(
        string method, TParams parameters, JsonTypeInfo<TParams> parametersType, JsonTypeInfo<TResult> resultType,
        Action<TResult>? arrived, CancellationToken cancellation)
    {
        long id = Interlocked.Increment(ref _lastId);
        TypedCall<TResult> call = new(resultType, arrived);
        _pending[id] = call;
        try
        {
            using MessageBuffer message = new();
            JsonRpc.WriteRequest(message, id, method, parameters, parametersType);

            // Also while sending: a forwarder that is stopped reads nothing, and a large request does not fit into the socket.
            using CancellationTokenSource silence = new(_answerTimeout);
            using CancellationTokenRegistration watching = silence.Token.Register(() => call.Fail(GiveUp()));
            await SendAsync(message, cancellation);

            // Looked at after the call is in the table: whichever of the two sides comes second fails it.
            if (_end is Exception end)
            {
                call.Fail(end);
            }

            return await call.Result.WaitAsync(cancellation);
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    /// <summary>Once a watch is synced nothing need happen; before that silence means that nobody works on it.</summary>
    private async ValueTask<bool> WaitForEventAsync<TRow>(TypedSink<TRow> sink, bool synced, CancellationToken cancellation)
        where TRow : class
    {
        using CancellationTokenSource silence = new(synced ? Timeout.InfiniteTimeSpan : _answerTimeout);
        using CancellationTokenRegistration watching = silence.Token.Register(() => sink.Close(GiveUp()));
        return await sink.Events.WaitToReadAsync(cancellation);
    }

    /// <summary>Closes the connection: a late answer would find nobody, and half a request may be out.</summary>
    private ControlConnectionException GiveUp()
    {
        ControlConnectionException silent = new(
            $"the forwarder behind {_path} has not answered for {_answerTimeout.TotalSeconds:0.###} s; is it stopped or overloaded?");
        _end ??= silent;
        _socket.Dispose();
        return silent;
    }

    private void Register(WatchResult watch, EventSink sink)
    {
        _sinks[watch.Subscription] = sink;
        if (_end is Exception end)
        {
            sink.Close(end);
        }
    }

    private async Task UnwatchAsync(long subscription)
    {
        try
        {
            await CallAsync("unwatch", new UnwatchRequest(subscription), ControlJson.Default.UnwatchRequest, ControlJson.Tolerant.NoContent);
        }
        catch (Exception fault) when (fault is ControlException or ControlConnectionException or ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }

    private async Task SendAsync(MessageBuffer message, CancellationToken cancellation)
    {
        await _sending.WaitAsync(cancellation);
        try
        {
            foreach (ReadOnlyMemory<byte> chunk in message.Chunks)
            {
                // Not cancellable: half a request would break the connection for all others.
                await _stream.WriteAsync(chunk, CancellationToken.None);
            }
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException)
        {
            // The reading side knows better why: the forwarder may have said it before it closed.
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReadAsync()
    {
        Exception end;
        try
        {
            end = await ReadLinesAsync();
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException or InvalidOperationException)
        {
            end = new ControlConnectionException($"{_path}: the connection broke ({fault.Message}); is the forwarder still running?", fault);
        }
        catch (JsonException fault)
        {
            end = new ControlConnectionException($"{_path}: what answers there speaks no JSON-RPC; give the socket of a forwarder", fault);
        }

        _end ??= end;
        foreach (PendingCall call in _pending.Values)
        {
            call.Fail(_end);
        }

        foreach (EventSink sink in _sinks.Values)
        {
            sink.Close(_end);
        }

        _socket.Dispose();
        await _reader.CompleteAsync();
    }

    /// <summary>Returns why there is no more to read.</summary>
    private async Task<Exception> ReadLinesAsync()
    {
        long scanned = 0;
        while (true)
        {
            ReadResult result = await _reader.ReadAsync();
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (buffer.Slice(scanned).PositionOf((byte)'\n') is SequencePosition end)
            {
                AnswerLine line = AnswerLine.Parse(buffer.Slice(0, end));
                scanned = 0;
                if (line.Error is not null && line.Id is null)
                {
                    return line.Error;
                }

                await DispatchAsync(line);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }

            scanned = buffer.Length;
            if (result.IsCompleted)
            {
                return new ControlConnectionException($"{_path}: the forwarder closed the connection; is it still running?");
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    private ValueTask DispatchAsync(in AnswerLine line)
    {
        if (line.Id is long id)
        {
            if (_pending.TryRemove(id, out PendingCall? call))
            {
                if (line.Error is not null)
                {
                    call.Fail(line.Error);
                }
                else
                {
                    call.Complete(line.Result);
                }
            }

            return ValueTask.CompletedTask;
        }

        return !line.Parameters.IsEmpty && _sinks.TryGetValue(AnswerLine.SubscriptionOf(line.Parameters), out EventSink? sink)
            ? sink.TakeAsync(line.Parameters)
            : ValueTask.CompletedTask;
    }
}
