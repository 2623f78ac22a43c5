using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// What requests are received into, on all connections of a server. Buffers are used again and again: those of a long line would be garbage, and the worker
/// of a forwarder stands still while that is collected. They are large enough to lie where no collection moves them. What was not needed for half a
/// minute is given back.
/// </summary>
internal sealed class ReceiveBuffers : MemoryPool<byte>
{
    /// <summary>Above the 85,000 bytes from which the runtime leaves an array where it is.</summary>
    public const int BufferLength = 128 * 1024;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Stack<Buffer> _free = new(); // guarded by the gate, and so what follows
    private readonly int _mostFree;
    private readonly Timer _timer;
    private int _leastFree;

    /// <param name="mostBytes">Of free buffers that are kept.</param>
    public ReceiveBuffers(long mostBytes)
    {
        _mostFree = (int)(mostBytes / BufferLength);
        _timer = new Timer(_ => Trim(), null, s_interval, s_interval);
    }

    public override int MaxBufferSize => BufferLength;

    /// <summary>Of buffers that wait to be used again.</summary>
    public long FreeBytes
    {
        get
        {
            lock (_gate)
            {
                return (long)_free.Count * BufferLength;
            }
        }
    }

    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BufferLength);
        lock (_gate)
        {
            if (_free.TryPop(out Buffer? buffer))
            {
                _leastFree = Math.Min(_leastFree, _free.Count);
                return buffer;
            }
        }

        return new Buffer(this);
    }

    /// <summary>Gives up what nobody has needed since the last time.</summary>
    internal void Trim()
    {
        lock (_gate)
        {
            for (; _leastFree > 0; _leastFree--)
            {
                _free.Pop();
            }

            _leastFree = _free.Count;
        }
    }

    protected override void Dispose(bool disposing) => _timer.Dispose();

    private void Return(Buffer buffer)
    {
        lock (_gate)
        {
            if (_free.Count < _mostFree)
            {
                _free.Push(buffer);
            }
        }
    }

    private sealed class Buffer(ReceiveBuffers pool) : IMemoryOwner<byte>
    {
        private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BufferLength);

        public Memory<byte> Memory => _bytes;

        [SuppressMessage("Usage", "CA1816", Justification = "there is no finalizer, and this is a return to the pool")]
        public void Dispose() => pool.Return(this);
    }
}
