namespace ClusterMesh.Datapath.Io;

/// <summary>
/// What one worker has for another, in order: one thread adds, one takes, neither ever waits. Each side's position has cache lines of its own,
/// and each looks at the other's only when it must.
/// </summary>
/// <param name="capacity">A power of two.</param>
internal sealed class HandoverQueue<T>(int capacity)
    where T : struct
{
    private readonly T[] _items = new T[capacity];
    private QueuePosition _tail; // the adding side's
    private QueuePosition _head; // the taking side's

    /// <summary>For the taking side.</summary>
    public bool IsEmpty => _head.Own == Volatile.Read(ref _tail.Own);

    /// <summary>False when it is full.</summary>
    public bool TryAdd(in T item)
    {
        uint tail = _tail.Own;
        if (tail - _tail.Seen == (uint)_items.Length)
        {
            _tail.Seen = Volatile.Read(ref _head.Own);
            if (tail - _tail.Seen == (uint)_items.Length)
            {
                return false;
            }
        }

        _items[tail & (_items.Length - 1)] = item;
        Volatile.Write(ref _tail.Own, tail + 1);
        return true;
    }

    public bool TryTake(out T item)
    {
        uint head = _head.Own;
        if (head == _head.Seen)
        {
            _head.Seen = Volatile.Read(ref _tail.Own);
            if (head == _head.Seen)
            {
                item = default;
                return false;
            }
        }

        item = _items[head & (_items.Length - 1)];
        Volatile.Write(ref _head.Own, head + 1);
        return true;
    }
}
