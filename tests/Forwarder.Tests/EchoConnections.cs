using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>
/// Two hundred TCP connections of pod a, half of them masqueraded to the world and half through the service 10.2.0.1 to pod b, on each of which
/// numbers go to and fro all the time.
/// </summary>
internal sealed class EchoConnections : IAsyncDisposable
{
    public const int Port = 7777;
    private const int PerKind = 100;
    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _stop = new();
    private readonly Socket[] _listeners;
    private readonly List<Socket> _sockets = [];
    private readonly List<Task> _loops = [];
    private readonly long[] _echoed;
    private long _longestGap;
    private volatile bool _isMeasuring;
    private int _lostCount;
    private volatile Round? _round;
    private TaskCompletionSource<TimeSpan>? _measured;

    private EchoConnections(Socket[] listeners, int count)
    {
        _listeners = listeners;
        _echoed = new long[count];
    }

    /// <summary>Connections that ended or on which something else came back than was sent.</summary>
    public int LostCount => Volatile.Read(ref _lostCount);

    /// <param name="port">Added to the listening port of the world's side, for connections beside others.</param>
    /// <param name="service">False for masqueraded ones only.</param>
    public static async Task<EchoConnections> OpenAsync(World world, string outside, string pod, int port = 0, bool service = true)
    {
        Socket[] listeners = port == 0 ? [world.Listen(outside, Port), world.Listen(pod, Port)] : [world.Listen(outside, Port + port)];
        IPEndPoint[] targets = [IPEndPoint.Parse($"{World.WorldAddress}:{Port + port}"), .. service ? [IPEndPoint.Parse($"10.2.0.1:{Port}")] : (IPEndPoint[])[]];
        var made = new EchoConnections(listeners, targets.Length * PerKind);
        foreach (Socket listener in listeners)
        {
            listener.Listen(2 * PerKind);
            made._loops.Add(made.AcceptAsync(listener));
        }

        for (int i = 0; i < made._echoed.Length; i++)
        {
            Socket client = world.Socket("a", SocketType.Stream);
            client.NoDelay = true;
            made._sockets.Add(client);
            await client.ConnectAsync(targets[i % targets.Length]).WaitAsync(TimeSpan.FromSeconds(10));
            made._loops.Add(made.AskAsync(client, i));
        }

        await made.EchoAllAsync().WaitAsync(TimeSpan.FromSeconds(20));
        return made;
    }

    /// <summary>Every connection has brought something back that was sent after this was called.</summary>
    public Task EchoAllAsync()
    {
        var round = new Round([.. _echoed.Select((_, i) => Volatile.Read(ref _echoed[i]) + 2)]);
        _round = round;
        return round.Done.Task;
    }

    /// <summary>The longest time that one connection waited for an echo, until <see cref="EndMeasuring"/>.</summary>
    public Task<TimeSpan> LongestGapAsync()
    {
        _measured = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        _longestGap = 0;
        _isMeasuring = true;
        return _measured.Task;
    }

    public void EndMeasuring()
    {
        _isMeasuring = false;
        _measured!.SetResult(Stopwatch.GetElapsedTime(0, Interlocked.Read(ref _longestGap)));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        Array.ForEach(_listeners, l => l.Dispose());
        _sockets.ForEach(s => s.Dispose());
        await Task.WhenAll(_loops);
        _stop.Dispose();
    }

    private async Task AcceptAsync(Socket listener)
    {
        List<Task> answers = [];
        try
        {
            while (true)
            {
                answers.Add(AnswerAsync(await listener.AcceptAsync(_stop.Token)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(answers);
        }
    }

    private async Task AnswerAsync(Socket server)
    {
        using (server)
        {
            byte[] buffer = new byte[4096];
            try
            {
                int length;
                while ((length = await server.ReceiveAsync(buffer, _stop.Token)) > 0)
                {
                    await server.SendAsync(buffer.AsMemory(0, length), _stop.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                // The client says whether it was lost.
            }
        }
    }

    private async Task AskAsync(Socket client, int number)
    {
        byte[] sent = new byte[1000];
        byte[] received = new byte[sent.Length];
        using PeriodicTimer pace = new(s_pace);
        try
        {
            for (long count = 1; await pace.WaitForNextTickAsync(_stop.Token); count++)
            {
                long start = Stopwatch.GetTimestamp();
                BinaryPrimitives.WriteInt64LittleEndian(sent, count);
                await client.SendAsync(sent, _stop.Token);
                for (int length = 0; length < received.Length;)
                {
                    int more = await client.ReceiveAsync(received.AsMemory(length), _stop.Token);
                    length = more == 0 ? throw new SocketException((int)SocketError.ConnectionReset) : length + more;
                }

                if (!received.AsSpan().SequenceEqual(sent))
                {
                    throw new SocketException((int)SocketError.MessageSize);
                }

                Measure(Stopwatch.GetTimestamp() - start);
                Volatile.Write(ref _echoed[number], count);
                _round?.Note(number, count);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            if (!_stop.IsCancellationRequested)
            {
                Interlocked.Increment(ref _lostCount);
                _round?.Done.TrySetResult();
            }
        }
    }

    private void Measure(long gap)
    {
        long longest = Interlocked.Read(ref _longestGap);
        while (_isMeasuring && gap > longest)
        {
            long seen = Interlocked.CompareExchange(ref _longestGap, gap, longest);
            if (seen == longest)
            {
                return;
            }

            longest = seen;
        }
    }

    /// <summary>What each connection shall have echoed.</summary>
    private sealed class Round(long[] counts)
    {
        private int _missingCount = counts.Length;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Note(int number, long count)
        {
            if (count == counts[number] && Interlocked.Decrement(ref _missingCount) == 0)
            {
                Done.TrySetResult();
            }
        }
    }
}
