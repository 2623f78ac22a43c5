using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Server;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// Answers on a control socket. Map methods and kinds, then <see cref="Start"/>. Handlers run on pool threads, several at once; they
/// refuse by throwing <see cref="ControlException"/>. Disposing stops the server and removes the socket.
/// </summary>
public sealed class ControlServer(string socketPath, ControlLimits? limits = null) : IAsyncDisposable
{
    private static readonly ReadOnlySequence<byte> s_noParameters = new("{}"u8.ToArray());

    private readonly Dictionary<string, Func<ReadOnlySequence<byte>, BoundCall>> _methods = [];
    private readonly Dictionary<string, ListedKind> _kinds = [];
    private readonly ConcurrentDictionary<ControlConnection, Task> _connections = new();
    private readonly CancellationTokenSource _stopping = new();
    private TaskCompletionSource _change = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Socket? _listener;
    private Task _accepting = Task.CompletedTask;

    public string SocketPath { get; } = socketPath;

    public ControlLimits Limits { get; } = limits ?? new ControlLimits();

    /// <summary>Told of each fault of our own, with what it happened in: the place to log. Set before the start.</summary>
    public Action<string, Exception>? Fault { get; init; }

    internal Task NextChange => Volatile.Read(ref _change).Task;

    /// <summary>Adds a method. Parameters of the wrong shape never reach the handler.</summary>
    public void Map<TRequest, TResult>(
        string method,
        JsonTypeInfo<TRequest> requestType,
        JsonTypeInfo<TResult> resultType,
        Func<TRequest, CancellationToken, ValueTask<TResult>> handler) =>
        _methods.Add(method, parameters =>
        {
            TRequest request = ControlJson.Read(parameters, requestType);
            return async (_, cancellation) =>
            {
                TResult result = await handler(request, cancellation);
                return new Answer(writer => JsonSerializer.Serialize(writer, result, resultType));
            };
        });

    /// <summary>
    /// Adds a kind to <c>list</c> and <c>watch</c>. The function gives the page after a cursor (null: the first) with at most so many
    /// rows; it chooses what its cursors mean, should not lose its place when rows come and go (a key or a slot number, not a count),
    /// and throws <see cref="ErrorCode.InvalidParams"/> for a cursor that it did not give.
    /// </summary>
    public void MapKind<TRow>(ControlKind<TRow> kind, Func<string?, int, CancellationToken, ValueTask<ListResult<TRow>>> list) =>
        _kinds.Add(kind.Name, new ListedRows<TRow>(kind, list));

    /// <summary>Tells the watches of configured kinds to look again. Cheap, callable from any thread.</summary>
    public void NotifyChanged() =>
        Interlocked.Exchange(ref _change, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>Listens; throws <see cref="ControlConnectionException"/> when the path cannot be had.</summary>
    public void Start()
    {
        _methods.Add("list", BindList);
        _methods.Add("watch", BindWatch);
        _methods.Add("unwatch", BindUnwatch);
        _listener = SocketFile.Listen(SocketPath);
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Takes no more connections, removes the socket, answers what is under way and closes. May be called twice.</summary>
    public async Task StopAsync()
    {
        if (_listener is null || _stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        _listener.Dispose();
        RemoveSocket();
        await _accepting;
        foreach (ControlConnection connection in _connections.Keys)
        {
            connection.Stop();
        }

        Task ended = Task.WhenAll(_connections.Values);
        if (await Task.WhenAny(ended, Task.Delay(Limits.StopTimeout)) != ended)
        {
            foreach (ControlConnection connection in _connections.Keys)
            {
                connection.Abort();
            }
        }

        await ended;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    internal void ReportFault(string where, Exception fault) => Fault?.Invoke(where, fault);

    /// <summary>Finds the method and reads its parameters, while they lie in the connection's buffer.</summary>
    internal BoundCall Bind(RequestLine request)
    {
        if (!_methods.TryGetValue(request.Method, out Func<ReadOnlySequence<byte>, BoundCall>? bind))
        {
            string known = string.Join(", ", _methods.Keys.Order(StringComparer.Ordinal));
            throw new ControlException(ErrorCode.MethodNotFound, $"there is no method \"{request.Method}\"; there are {known}");
        }

        try
        {
            return bind(request.Parameters.IsEmpty ? s_noParameters : request.Parameters);
        }
        catch (JsonException fault)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"{request.Method}: {JsonFault.Describe(fault)}");
        }
    }

    private BoundCall BindList(ReadOnlySequence<byte> parameters)
    {
        ListRequest request = ControlJson.Read(parameters, ControlJson.Default.ListRequest);
        ListedKind kind = FindKind(request.Kind);
        return (_, cancellation) => kind.ListAsync(request, Limits.PageLength, cancellation);
    }

    private BoundCall BindWatch(ReadOnlySequence<byte> parameters)
    {
        WatchRequest request = ControlJson.Read(parameters, ControlJson.Default.WatchRequest);
        ListedKind kind = FindKind(request.Kind);
        int interval = request.IntervalMilliseconds ?? 1000;
        if (interval is < 100 or > 24 * 3600 * 1000)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"intervalMilliseconds: {interval} is not within 100 and 86400000");
        }

        return (connection, _) => new ValueTask<Answer>(connection.Subscribe(kind, TimeSpan.FromMilliseconds(interval)));
    }

    private static BoundCall BindUnwatch(ReadOnlySequence<byte> parameters)
    {
        UnwatchRequest request = ControlJson.Read(parameters, ControlJson.Default.UnwatchRequest);
        return (connection, _) =>
        {
            connection.Unsubscribe(request.Subscription);
            return new ValueTask<Answer>(new Answer(writer => JsonSerializer.Serialize(writer, new NoContent(), ControlJson.Default.NoContent)));
        };
    }

    private ListedKind FindKind(string name) =>
        _kinds.TryGetValue(name, out ListedKind? kind)
            ? kind
            : throw new ControlException(
                ErrorCode.InvalidParams, $"kind: there is no \"{name}\"; there are {string.Join(", ", _kinds.Keys.Order(StringComparer.Ordinal))}");

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener!.AcceptAsync(_stopping.Token);
            }
            catch (Exception fault) when (fault is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException fault)
            {
                // Out of file descriptors, most likely: those who are connected go on. Who waits to be accepted still waits, so that
                // the next accept fails at once; without the pause this loop would take a whole core until a descriptor is free.
                ReportFault("accept", fault);
                await Task.Delay(100);
                continue;
            }

            if (_connections.Count >= Limits.ConnectionCount)
            {
                Refuse(socket);
                continue;
            }

            ControlConnection connection = new(this, socket);
            TaskCompletionSource registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _connections[connection] = ServeAsync(connection, registered.Task);
            registered.SetResult();
        }
    }

    /// <summary>A socket that somebody else has removed, or cannot be removed, must not keep the rest of the stop from happening.</summary>
    private void RemoveSocket()
    {
        try
        {
            File.Delete(SocketPath);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone with its directory.
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            ReportFault("removal of the socket", fault);
        }
    }

    private async Task ServeAsync(ControlConnection connection, Task registered)
    {
        await registered;
        try
        {
            await connection.RunAsync();
        }
        catch (Exception fault)
        {
            // The root of a connection: the client loses it, the forwarder goes on.
            ReportFault("connection", fault);
        }

        _connections.TryRemove(connection, out _);
        connection.Dispose();
    }

    private void Refuse(Socket socket)
    {
        using (socket)
        using (MessageBuffer message = new())
        {
            ControlException refusal = new(
                ErrorCode.TooManyConnections, $"{Limits.ConnectionCount} connections are open on {SocketPath}; close one");
            JsonRpc.WriteAnswer(message, "null"u8.ToArray(), null, refusal);
            try
            {
                // A fresh socket's send buffer takes a line without waiting.
                foreach (ReadOnlyMemory<byte> chunk in message.Chunks)
                {
                    socket.Send(chunk.Span);
                }
            }
            catch (SocketException)
            {
                // It did not wait to be refused.
            }
        }
    }
}
