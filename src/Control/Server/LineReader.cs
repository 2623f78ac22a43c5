using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// The receiving half of a connection: finds lines, and refuses those that are too long, take too long to arrive, or find no memory.
/// Lines are looked at where they were received; what is not being read holds no buffer.
/// </summary>
internal sealed class LineReader : IDisposable
{
    private readonly ControlLimits _limits;
    private readonly RequestMemory _memory;
    private readonly Pace _pace;
    private readonly long _longest;
    private readonly PipeReader _reader;

    /// <summary>Only wakes the reading loop, which looks at the clock itself.</summary>
    private readonly Timer _slow;

    private long _charged;
    private long _began; // of a line that has not ended; 0 when there is none

    public LineReader(Socket socket, ControlServer server, ControlRole role)
    {
        _limits = server.Limits;
        _memory = server.Memory;
        _pace = server.LongLinePace;
        _longest = role == ControlRole.Admin ? _limits.RequestLength : Math.Min(_limits.RequestLength, _limits.ReaderRequestLength);
        _reader = PipeReader.Create(
            new NetworkStream(socket, ownsSocket: false),
            new StreamPipeReaderOptions(server.Buffers, ReceiveBuffers.BufferLength, minimumReadSize: 4096, useZeroByteReads: true));
        _slow = new Timer(_ => _reader.CancelPendingRead());
    }

    /// <summary>Has <see cref="RunAsync"/> look again whether it is to go on.</summary>
    public void Wake() => _reader.CancelPendingRead();

    /// <summary>Reads until the client ends its half, or until it is not to go on.</summary>
    /// <param name="take">Gets each line; it is gone when the task is done.</param>
    /// <exception cref="ControlException">Nothing more is to be read from this client.</exception>
    public async Task RunAsync(Func<ReadOnlySequence<byte>, ValueTask> take, Func<bool> goesOn, CancellationToken aborted)
    {
        long scanned = 0;
        while (goesOn())
        {
            ReadResult result = await _reader.ReadAsync(aborted);
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (buffer.Slice(scanned).PositionOf((byte)'\n') is SequencePosition end)
            {
                ReadOnlySequence<byte> line = buffer.Slice(0, end);
                scanned = 0;
                CheckLength(line.Length);
                await take(line);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
                Discharge();
                _began = 0;
            }

            scanned = buffer.Length;
            CheckLength(scanned);
            if (result.IsCompleted)
            {
                // printf without \n is a request too.
                await take(buffer);
                return;
            }

            if (Charge(scanned) is > 0 and long more)
            {
                await _pace.WaitAsync(more, aborted);
            }

            WatchTime(scanned);
            _reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    public async ValueTask CompleteAsync()
    {
        Discharge();
        await _reader.CompleteAsync();
    }

    public void Dispose() => _slow.Dispose();

    private void CheckLength(long length)
    {
        if (length > _longest)
        {
            throw new ControlException(ErrorCode.RequestTooLarge, $"the line is longer than {_longest} bytes; send the change in parts");
        }
    }

    /// <returns>Bytes that are new among those that are charged for.</returns>
    private long Charge(long length)
    {
        long more = length - RequestMemory.FreeLength - _charged;
        if (more <= 0)
        {
            return 0;
        }

        if (!_memory.TryTake(more))
        {
            throw new ControlException(
                ErrorCode.TooManyRequests, $"requests that are under way hold {_limits.RequestMemory} bytes already; send this one again when others have been answered");
        }

        _charged += more;
        return more;
    }

    private void Discharge()
    {
        _memory.Return(_charged);
        _charged = 0;
    }

    /// <summary>A line that has begun must end in time, however its bytes drip.</summary>
    private void WatchTime(long length)
    {
        if (length == 0)
        {
            return;
        }

        long now = Environment.TickCount64;
        if (_began == 0)
        {
            _began = now;
            _slow.Change(_limits.LineTimeout + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
        }
        else if (now - _began >= _limits.LineTimeout.TotalMilliseconds)
        {
            throw new ControlException(
                ErrorCode.RequestTimeout, $"the line did not end within {_limits.LineTimeout.TotalSeconds:0.###} s; send it in one go");
        }
        else
        {
            _slow.Change(TimeSpan.FromMilliseconds(_began + (long)_limits.LineTimeout.TotalMilliseconds - now + 1), Timeout.InfiniteTimeSpan);
        }
    }
}
