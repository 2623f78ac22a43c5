using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A stream of 20,000 numbered datagrams a second from one namespace to another, and which of them arrived.</summary>
internal sealed class PacedDatagrams : IDisposable
{
    private const int PerSecond = 20_000;
    private const int Port = 9999;
    private const int SolSocket = 1;
    private const int ReceiveBufferForce = 33; // SO_RCVBUFFORCE: root may have more than rmem_max

    private readonly Socket _sender;
    private readonly Socket _receiver;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task<long> _sending;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _receivedCount;

    public PacedDatagrams(World world, string from, string to, string address)
    {
        _receiver = world.Socket(to, SocketType.Dgram);
        _receiver.SetRawSocketOption(SolSocket, ReceiveBufferForce, BitConverter.GetBytes(256 << 20));
        _receiver.Bind(new IPEndPoint(IPAddress.Any, Port));
        _receiver.ReceiveTimeout = 2000;
        _sender = world.Socket(from, SocketType.Dgram);
        _sender.Connect(IPEndPoint.Parse($"{address}:{Port}"));
        new Thread(Receive) { IsBackground = true }.Start();
        _sending = SendAsync();
    }

    /// <summary>The first one has arrived.</summary>
    public Task StartedAsync => _first.Task;

    /// <summary>Stops sending and waits until nothing arrives any more.</summary>
    /// <returns>How many were sent, and how many of them came, each once and in any order.</returns>
    public async Task<(long Sent, long Received)> EndAsync()
    {
        await _stop.CancelAsync();
        long sent = await _sending;
        await _ended.Task;
        return (sent, Interlocked.Read(ref _receivedCount));
    }

    public void Dispose()
    {
        _stop.Cancel();
        _sender.Dispose();
        _receiver.Dispose();
        _stop.Dispose();
    }

    private async Task<long> SendAsync()
    {
        byte[] datagram = new byte[64];
        using PeriodicTimer tick = new(TimeSpan.FromMilliseconds(1));
        long start = Stopwatch.GetTimestamp();
        long sent = 0;
        while (!_stop.IsCancellationRequested)
        {
            await tick.WaitForNextTickAsync();

            // A sender that was held up does not make up for it all at once: the stream stays a paced one.
            long due = Math.Min((long)(Stopwatch.GetElapsedTime(start).TotalSeconds * PerSecond), sent + (PerSecond / 100));
            for (; sent < due; sent++)
            {
                BinaryPrimitives.WriteInt64LittleEndian(datagram, sent);
                _sender.Send(datagram);
            }
        }

        return sent;
    }

    private void Receive()
    {
        byte[] datagram = new byte[2048];
        try
        {
            while (true)
            {
                _receiver.Receive(datagram);
                _receivedCount++;
                _first.TrySetResult();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            _ended.TrySetResult(); // Nothing came for two seconds.
        }
    }
}
