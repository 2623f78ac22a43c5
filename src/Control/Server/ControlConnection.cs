using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// One client: reads its lines, runs up to the allowed number of requests at once and writes answers and events, one message at a
/// time.
/// </summary>
internal sealed class ControlConnection : IDisposable
{
    private const int WasteLength = 64 * 1024;

    private readonly ControlServer _server;
    private readonly Socket _socket;
    private readonly LineReader _lines;
    private readonly string _peer;

    /// <summary>Guards the sending half of the socket, and <see cref="_requestCount"/> on its way down.</summary>
    private readonly SemaphoreSlim _sending = new(1, 1);

    private readonly CancellationTokenSource _aborted = new();
    private readonly CancellationTokenSource _inputEnded = new();
    private readonly ConcurrentDictionary<long, Subscription> _subscriptions = new();

    /// <summary>Requests and watches that run; touched by the reading loop and by watches as they start.</summary>
    private readonly ConcurrentDictionary<Task, bool> _running = new();

    private CancellationTokenSource _sendTimer = new();
    private int _requestCount;
    private int _malformedCount; // in a row; the reading loop's
    private long _lastSubscription;
    private volatile bool _stopping;

    public ControlConnection(ControlServer server, Socket socket, PeerCredentials peer, ControlRole role)
    {
        _server = server;
        _socket = socket;
        _peer = peer.ToString();
        ProcessId = peer.ProcessId;
        Role = role;
        _lines = new LineReader(socket, server, role);
    }

    /// <summary>One page of a list lives at a time: rows of many that nobody reads would fill the memory.</summary>
    public SemaphoreSlim PageTurn { get; } = new(1, 1);

    /// <summary>What this client may do.</summary>
    public ControlRole Role { get; }

    /// <summary>The client's.</summary>
    public int ProcessId { get; }

    public ControlLimits Limits => _server.Limits;

    public async Task RunAsync()
    {
        try
        {
            await ReadAsync();
            await _inputEnded.CancelAsync();
            await WaitForRunningAsync();
        }
        catch (Exception fault) when (fault is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client is gone or was cut off; what it asked for ends below.
        }
        finally
        {
            Abort();
            await WaitForRunningAsync();
            await _lines.CompleteAsync();
        }
    }

    /// <summary>Answers what is under way, then ends.</summary>
    public void Stop()
    {
        _stopping = true;
        foreach (Subscription subscription in _subscriptions.Values)
        {
            subscription.End();
        }

        _lines.Wake();
    }

    public void Abort()
    {
        _aborted.Cancel();
        foreach (Subscription subscription in _subscriptions.Values)
        {
            subscription.End();
        }

        _socket.Dispose();
    }

    /// <summary>The other sources and the lock have no timer or handle, and a stopping server may still touch them.</summary>
    public void Dispose()
    {
        _sendTimer.Dispose();
        _lines.Dispose();
    }

    /// <summary>Sends whole messages; throws IOException when the client is gone or takes nothing for too long.</summary>
    public async ValueTask SendAsync(MessageBuffer messages)
    {
        await _sending.WaitAsync();
        try
        {
            await SendHeldAsync(messages);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Takes a watch on; it starts once its number has been answered.</summary>
    public Answer Subscribe(ListedKind kind, TimeSpan interval)
    {
        if (_subscriptions.Count >= Limits.WatchCount)
        {
            throw new ControlException(ErrorCode.TooManyRequests, $"{Limits.WatchCount} watches are under way on this connection; end one or open another");
        }

        long number = Interlocked.Increment(ref _lastSubscription);
        Subscription subscription = new(this, kind, number, interval);
        _subscriptions[number] = subscription;
        if (_stopping || _aborted.IsCancellationRequested)
        {
            subscription.End();
        }

        WatchResult result = new(number);
        return new Answer(
            writer => JsonSerializer.Serialize(writer, result, ControlJson.Default.WatchResult),
            () => Track(Task.Run(() => subscription.RunAsync(_server, _inputEnded.Token))));
    }

    public void Unsubscribe(long number)
    {
        if (!_subscriptions.TryGetValue(number, out Subscription? subscription))
        {
            throw new ControlException(ErrorCode.NotFound, $"there is no subscription {number} on this connection");
        }

        subscription.End();
    }

    public void Forget(long number) => _subscriptions.TryRemove(number, out _);

    private async Task ReadAsync()
    {
        try
        {
            await _lines.RunAsync(TakeLineAsync, () => !_stopping || Volatile.Read(ref _requestCount) > 0, _aborted.Token);
        }
        catch (ControlException refusal)
        {
            await PartAsync(refusal);
        }
    }

    private async ValueTask TakeLineAsync(ReadOnlySequence<byte> line)
    {
        if (IsBlank(line))
        {
            return;
        }

        byte[]? id = null;
        BoundCall call;
        try
        {
            RequestLine request = RequestLine.Parse(line, ref id);
            call = _server.Bind(request, Role, _peer);
            _malformedCount = 0;
            if (_stopping)
            {
                throw new ControlException(ErrorCode.ShuttingDown, "the forwarder is leaving; ask again when it is back");
            }
        }
        catch (ControlException refusal)
        {
            // A line that is no request has no id, yet its sender must learn of it.
            bool broken = refusal.Code is ErrorCode.ParseError or ErrorCode.InvalidRequest;
            bool malformed = broken || refusal.Code is ErrorCode.MethodNotFound or ErrorCode.InvalidParams;
            await (malformed ? _server.MalformedPace : _server.RequestPace).WaitAsync(1, _aborted.Token);
            await AnswerAsync(id ?? (broken ? "null"u8.ToArray() : null), null, refusal);
            if (malformed && ++_malformedCount >= Limits.MalformedCount)
            {
                throw new ControlException(ErrorCode.TooManyRequests, $"{_malformedCount} requests in a row were malformed; the connection is closed");
            }

            return;
        }

        await _server.RequestPace.WaitAsync(1, _aborted.Token);
        if (Volatile.Read(ref _requestCount) >= Limits.RequestCount && await IsFullAsync())
        {
            ControlException refusal = new(
                ErrorCode.TooManyRequests, $"{Limits.RequestCount} requests are under way on this connection; wait for an answer or open another");
            await AnswerAsync(id, null, refusal);
            return;
        }

        // What was read of it lives until it is answered.
        long length = Math.Max(0, line.Length - RequestMemory.FreeLength);
        if (!_server.Memory.TryTake(length))
        {
            await AnswerAsync(id, null, new ControlException(
                ErrorCode.TooManyRequests, $"requests that are under way hold {Limits.RequestMemory} bytes already; send this one again when others have been answered"));
            return;
        }

        Interlocked.Increment(ref _requestCount);
        Track(Task.Run(() => ProcessAsync(id, call, length)));
    }

    /// <summary>A request counts until its answer is out, and leaves under the lock: a client that has read an answer is never told "too many" for it.</summary>
    private async ValueTask<bool> IsFullAsync()
    {
        await _sending.WaitAsync();
        try
        {
            return Volatile.Read(ref _requestCount) >= Limits.RequestCount;
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ProcessAsync(byte[]? id, BoundCall call, long memory)
    {
        Answer? answer = null;
        ControlException? refusal = null;
        try
        {
            answer = await call(this, _aborted.Token);
        }
        catch (ControlException thrown)
        {
            refusal = thrown;
        }
        catch (OperationCanceledException) when (_stopping || _aborted.IsCancellationRequested)
        {
            refusal = new ControlException(ErrorCode.ShuttingDown, "the forwarder is leaving; ask again when it is back");
        }
        catch (Exception fault)
        {
            refusal = Internal("request", fault);
        }

        try
        {
            await AnswerAsync(id, answer, refusal, countsDown: true);
            answer?.Sent?.Invoke();
        }
        catch (IOException)
        {
            // The client is gone; the reading loop ends by itself.
        }
        finally
        {
            answer?.Done?.Invoke();
            _server.Memory.Return(memory);
        }

        if (_stopping)
        {
            _lines.Wake();
        }
    }

    private async ValueTask AnswerAsync(byte[]? id, Answer? answer, ControlException? refusal, bool countsDown = false)
    {
        await _sending.WaitAsync();
        try
        {
            if (id is not null)
            {
                // Written only now that it is this answer's turn: a connection holds one written answer at a time.
                using MessageBuffer message = new();
                try
                {
                    JsonRpc.WriteAnswer(message, id, answer?.Write, refusal);
                }
                catch (Exception fault)
                {
                    message.Clear();
                    JsonRpc.WriteAnswer(message, id, null, Internal("answer", fault));
                }

                await SendHeldAsync(message);
            }
        }
        finally
        {
            if (countsDown)
            {
                Interlocked.Decrement(ref _requestCount);
            }

            _sending.Release();
        }
    }

    private async ValueTask SendHeldAsync(MessageBuffer messages)
    {
        try
        {
            foreach (ReadOnlyMemory<byte> chunk in messages.Chunks)
            {
                ReadOnlyMemory<byte> rest = chunk;
                while (!rest.IsEmpty)
                {
                    _sendTimer.CancelAfter(Limits.SendTimeout);
                    rest = rest[await _socket.SendAsync(rest, SocketFlags.None, _sendTimer.Token)..];
                    if (!_sendTimer.TryReset())
                    {
                        _sendTimer.Dispose();
                        _sendTimer = new CancellationTokenSource();
                    }
                }
            }
        }
        catch (Exception fault) when (fault is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Half a message may be out: nothing more can be said on this connection.
            Abort();
            throw new IOException("the client is gone or reads nothing", fault);
        }
    }

    /// <summary>The last thing this client is told.</summary>
    private async Task PartAsync(ControlException refusal)
    {
        await AnswerAsync("null"u8.ToArray(), null, refusal);
        _socket.Shutdown(SocketShutdown.Send);

        // What the client has under way is read away for a moment: a close with unread input would cost it the answer.
        using CancellationTokenSource linger = CancellationTokenSource.CreateLinkedTokenSource(_aborted.Token);
        linger.CancelAfter(TimeSpan.FromSeconds(1));
        byte[] waste = ArrayPool<byte>.Shared.Rent(WasteLength);
        try
        {
            while (await _socket.ReceiveAsync(waste, SocketFlags.None, linger.Token) > 0)
            {
                // Nothing to do with it.
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(waste);
        }
    }

    private ControlException Internal(string what, Exception fault)
    {
        _server.ReportFault(what, fault);
        return new ControlException(ErrorCode.InternalError, "a fault of the forwarder's own; its log has it");
    }

    /// <summary>A request that starts a watch adds to what it is itself part of.</summary>
    private async Task WaitForRunningAsync()
    {
        while (!_running.IsEmpty)
        {
            await Task.WhenAll(_running.Keys);
            await Task.Yield();
        }
    }

    private void Track(Task task)
    {
        _running[task] = true;
        task.ContinueWith(
            done => _running.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private static bool IsBlank(in ReadOnlySequence<byte> line)
    {
        foreach (ReadOnlyMemory<byte> part in line)
        {
            if (part.Span.ContainsAnyExcept(" \t\r"u8))
            {
                return false;
            }
        }

        return true;
    }
}
