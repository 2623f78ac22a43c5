using System.Buffers.Binary;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Records of different lengths from one worker to one reader. The worker never waits: what finds no room is lost. A record lies in one piece, so
/// that one which does not fit before the end begins at the start again. Not on the managed heap, where it would wait for a collection when the capture is over.
/// </summary>
public sealed class CaptureRing : IDisposable
{
    private const int PrefixLength = sizeof(int);
    private const int Alignment = 8;
    private const int Wrap = -1;

    private readonly MappedMemory _memory;
    private readonly int _length;
    private long _written; // By the worker; the reader sees it by a volatile read.
    private long _read; // By the reader.
    private long _reserved;
    private int _reading;

    /// <param name="length">A power of two.</param>
    /// <exception cref="DeviceException">The kernel has no memory.</exception>
    public CaptureRing(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(int.IsPow2(length), true);
        _length = length;
        _memory = MappedMemory.Fresh(length);
        _memory.Populate(0, length); // Now, not while packets wait.
    }

    private Span<byte> Bytes => _memory.Span(0, _length);

    /// <summary>Neither end may be used any more.</summary>
    public void Dispose() => _memory.Dispose();

    /// <summary>The worker's: room for a record, to be written and then handed in by <see cref="Commit"/>. False when there is none.</summary>
    public bool TryReserve(int length, out Span<byte> room)
    {
        int whole = (PrefixLength + length + Alignment - 1) & -Alignment;
        long at = _written;
        int offset = (int)(at & (_length - 1));
        int skipped = offset + whole > _length ? _length - offset : 0;
        room = default;
        if (at + skipped + whole - Volatile.Read(ref _read) > _length)
        {
            return false;
        }

        if (skipped > 0)
        {
            BinaryPrimitives.WriteInt32LittleEndian(Bytes[offset..], Wrap);
            offset = 0;
        }

        BinaryPrimitives.WriteInt32LittleEndian(Bytes[offset..], length);
        _reserved = at + skipped + whole;
        room = Bytes.Slice(offset + PrefixLength, length);
        return true;
    }

    /// <summary>The worker's: the record that was reserved last can be read.</summary>
    public void Commit() => Volatile.Write(ref _written, _reserved);

    /// <summary>The reader's: the oldest record, good until <see cref="Release"/>.</summary>
    public bool TryRead(out ReadOnlySpan<byte> record)
    {
        record = default;
        while (Volatile.Read(ref _written) != _read)
        {
            int offset = (int)(_read & (_length - 1));
            int length = BinaryPrimitives.ReadInt32LittleEndian(Bytes[offset..]);
            if (length != Wrap)
            {
                _reading = (PrefixLength + length + Alignment - 1) & -Alignment;
                record = Bytes.Slice(offset + PrefixLength, length);
                return true;
            }

            Volatile.Write(ref _read, _read + _length - offset);
        }

        return false;
    }

    /// <summary>The reader's: the record that was read last may be overwritten.</summary>
    public void Release()
    {
        Volatile.Write(ref _read, _read + _reading);
        _reading = 0;
    }
}
