using System.Buffers;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// Grows by rented chunks while messages are written, is sent chunk by chunk, and gives the chunks back: no answer, however long,
/// costs the process a large array.
/// </summary>
internal sealed class MessageBuffer : IBufferWriter<byte>, IDisposable
{
    private const int FirstLength = 4 * 1024;
    private const int ChunkLength = 64 * 1024;

    private readonly List<(byte[] Array, int Length)> _full = [];
    private byte[] _current = [];
    private int _used;
    private long _fullLength;

    public long Length => _fullLength + _used;

    public IEnumerable<ReadOnlyMemory<byte>> Chunks
    {
        get
        {
            foreach ((byte[] array, int length) in _full)
            {
                yield return array.AsMemory(0, length);
            }

            if (_used > 0)
            {
                yield return _current.AsMemory(0, _used);
            }
        }
    }

    public void Advance(int count) => _used += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _current.AsMemory(_used);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _current.AsSpan(_used);
    }

    public void Write(byte value)
    {
        GetSpan(1)[0] = value;
        _used++;
    }

    public void Clear()
    {
        foreach ((byte[] array, int _) in _full)
        {
            ArrayPool<byte>.Shared.Return(array);
        }

        _full.Clear();
        _fullLength = 0;
        _used = 0;
    }

    public void Dispose()
    {
        Clear();
        if (_current.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_current);
            _current = [];
        }
    }

    private void Reserve(int length)
    {
        if (_current.Length - _used >= length)
        {
            return;
        }

        if (_used > 0)
        {
            _full.Add((_current, _used));
            _fullLength += _used;
        }
        else if (_current.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_current);
        }

        _current = ArrayPool<byte>.Shared.Rent(Math.Max(length, _full.Count == 0 ? FirstLength : ChunkLength));
        _used = 0;
    }
}
