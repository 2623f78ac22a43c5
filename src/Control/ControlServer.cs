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

    private readonly Dictionary<string, (ControlRole Role, Func<ReadOnlySequence<byte>, BoundCall> Bind)> _methods = [];
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

    /// <summary>Who may connect, and what they may ask for. Set before the start.</summary>
    public ControlAccess Access { get; init; } = ControlAccess.OwnerOnly;

    /// <summary>Clients that were connected when it was asked.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>Bytes of long requests that arrive or are under way.</summary>
    public long RequestBytes => Memory.Taken;

    internal RequestMemory Memory { get; } = new((limits ?? new ControlLimits()).RequestMemory);

    internal ReceiveBuffers Buffers { get; } = new((limits ?? new ControlLimits()).RequestLength);

    internal Pace MalformedPace { get; } = new((limits ?? new ControlLimits()).MalformedRate, (limits ?? new ControlLimits()).MalformedBurst);

    internal Pace RequestPace { get; } = new((limits ?? new ControlLimits()).RequestRate, (limits ?? new ControlLimits()).RequestBurst);

    internal Pace LongLinePace { get; } = new((limits ?? new ControlLimits()).LongLineRate, (limits ?? new ControlLimits()).LongLineBurst);

    internal Task NextChange => Volatile.Read(ref _change).Task;

    /// <summary>Adds a method. Parameters of the wrong shape never reach the handler.</summary>
    /// <param name="role">What a client must be to ask for it.</param>
    public void Map<TRequest, TResult>(
        string method,
        ControlRole role,
        JsonTypeInfo<TRequest> requestType,
        JsonTypeInfo<TResult> resultType,
        Func<TRequest, CancellationToken, ValueTask<TResult>> handler) =>
        _methods.Add(method, (role, parameters =>
        {
            TRequest request = ControlJson.Read(parameters, requestType);
            return async (_, cancellation) =>
            {
                TResult result = await handler(request, cancellation);
                return new Answer(writer => JsonSerializer.Serialize(writer, result, resultType));
            };
        }
    ));

    /// <summary>
    /// Adds a kind to <c>list</c> and <c>watch</c>, which readers may use. The function gives the page after a cursor (null: the first) with at most so many
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
        _methods.Add("list", (ControlRole.Reader, BindList));
        _methods.Add("watch", (ControlRole.Reader, BindWatch));
        _methods.Add("unwatch", (ControlRole.Reader, BindUnwatch));
        _listener = SocketFile.Listen(SocketPath, Access.SocketMode);
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
        Buffers.Dispose();
    }

    internal void ReportFault(string where, Exception fault) => Fault?.Invoke(where, fault);

    /// <summary>Finds the method and reads its parameters, while they lie in the connection's buffer.</summary>
    /// <param name="peer">The client, for the sentence that refuses it.</param>
    internal BoundCall Bind(RequestLine request, ControlRole role, string peer)
    {
        if (!_methods.TryGetValue(request.Method, out (ControlRole Role, Func<ReadOnlySequence<byte>, BoundCall> Bind) method))
        {
            string known = string.Join(", ", _methods.Keys.Order(StringComparer.Ordinal));
            throw new ControlException(ErrorCode.MethodNotFound, $"there is no method \"{request.Method}\"; there are {known}");
        }

        if (role < method.Role)
        {
            throw new ControlException(ErrorCode.NotPermitted, $"{request.Method} is for administrators of this socket; {peer} may only read");
        }

        try
        {
            return method.Bind(request.Parameters.IsEmpty ? s_noParameters : request.Parameters);
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
        return async (connection, cancellation) =>
        {
            await connection.PageTurn.WaitAsync(cancellation);
            try
            {
                cancellation.ThrowIfCancellationRequested(); // A turn may be given to one who has just given up.
                Answer page = await kind.ListAsync(request, Limits.PageLength, cancellation);
                return page with { Done = () => connection.PageTurn.Release() };
            }
            catch
            {
                connection.PageTurn.Release();
                throw;
            }
        };
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
        Pace pace = new(Limits.AcceptRate, Limits.AcceptBurst);
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                await pace.WaitAsync(1, _stopping.Token);
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

            if (Admit(socket) is not { } connection)
            {
                continue;
            }

            TaskCompletionSource registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _connections[connection] = ServeAsync(connection, registered.Task);
            registered.SetResult();
        }
    }

    /// <summary>Null for a client that was refused.</summary>
    private ControlConnection? Admit(Socket socket)
    {
        try
        {
            PeerCredentials peer = PeerCredentials.Of(socket);
            if (Access.RoleOf(peer) is not { } role)
            {
                Refuse(socket, new ControlException(ErrorCode.NotPermitted, $"{SocketPath} is not for {peer}; ask root to make it a member of a group that may use it"));
                return null;
            }

            int same = _connections.Keys.Count(c => c.ProcessId == peer.ProcessId);
            int readers = _connections.Keys.Count(c => c.Role == ControlRole.Reader);
            string? full = _connections.Count >= Limits.ConnectionCount ? $"{Limits.ConnectionCount} connections are open on {SocketPath}; close one"
                : same >= Limits.ProcessConnectionCount ? $"{same} connections of process {peer.ProcessId} are open on {SocketPath}; close one"
                : role == ControlRole.Reader && readers >= Limits.ReaderConnectionCount ? $"{readers} connections of those who may only read are open on {SocketPath}; close one"
                : null;
            if (full is null)
            {
                return new ControlConnection(this, socket, peer, role);
            }

            Refuse(socket, new ControlException(ErrorCode.TooManyConnections, full));
        }
        catch (SocketException)
        {
            socket.Dispose(); // It is gone already.
        }

        return null;
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

    private static void Refuse(Socket socket, ControlException refusal)
    {
        using (socket)
        using (MessageBuffer message = new())
        {
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
