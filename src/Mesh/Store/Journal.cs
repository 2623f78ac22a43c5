using System.Buffers.Binary;
using System.Numerics;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// The embedded store's file: a mark, then records of length, CRC-32C and payload. A record is on the disk when <see cref="Append"/>
/// returns. What a crash has left half written at the end is cut off when the file is opened; damage anywhere else is refused, since
/// behind it lie records that somebody was told are safe. The open file keeps a second store out.
/// </summary>
internal sealed class Journal : IDisposable
{
    private const int HeadLength = 8;
    private const int PayloadLengthLimit = 512 * 1024 * 1024;
    private const int NoSpace = 28;
    private const int NoQuota = 122;

    private readonly string _path;
    private FileStream _file;
    private bool _isBroken;

    private Journal(string path, FileStream file)
    {
        _path = path;
        _file = file;
    }

    private static ReadOnlySpan<byte> Mark => "CMESHST1"u8;

    public long Length { get; private set; }

    /// <param name="take">Given each payload in the order of their appending.</param>
    /// <exception cref="StoreException">The file is another process's, unreadable or damaged.</exception>
    public static Journal Open(string path, Action<byte[]> take)
    {
        FileStream file = OpenFile(path, path);
        var journal = new Journal(path, file);
        try
        {
            File.Delete(NewPath(path));
            journal.Read(take);
            return journal;
        }
        catch (IOException fault)
        {
            file.Dispose();
            throw new StoreException(StoreFault.Unavailable, $"{path}: the store cannot be read ({fault.Message.TrimEnd('.')})", fault);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <exception cref="StoreException">Nothing was added; the file is as before.</exception>
    public void Append(ReadOnlySpan<byte> payload)
    {
        if (_isBroken)
        {
            throw new StoreException(StoreFault.Unavailable, $"{_path}: an earlier write failed and could not be undone; restart the agent once the disk is well");
        }

        try
        {
            Write(_file, payload);
            _file.Flush(flushToDisk: true);
            Length = _file.Position;
        }
        catch (IOException fault)
        {
            CutBack();
            throw Describe(fault);
        }
    }

    /// <summary>Puts these records in the place of all that are there. The old file stays until the new one is safe.</summary>
    /// <exception cref="StoreException">The old file stays.</exception>
    public void Replace(IEnumerable<byte[]> payloads)
    {
        string path = NewPath(_path);
        FileStream? fresh = null;
        try
        {
            fresh = OpenFile(path, _path);
            fresh.SetLength(0);
            fresh.Write(Mark);
            foreach (byte[] payload in payloads)
            {
                Write(fresh, payload);
            }

            fresh.Flush(flushToDisk: true);
            File.Move(path, _path, overwrite: true);
            // The new name is safe with the file's next flush on the journalling file systems; until then a crash finds the old file, whole.
            fresh.Flush(flushToDisk: true);
            _file.Dispose();
            (_file, fresh) = (fresh, null);
            Length = _file.Position;
        }
        catch (IOException fault)
        {
            throw Describe(fault);
        }
        finally
        {
            if (fresh is not null)
            {
                fresh.Dispose();
                File.Delete(path);
            }
        }
    }

    public void Dispose() => _file.Dispose();

    private static string NewPath(string path) => path + ".new";

    private static FileStream OpenFile(string path, string shown)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            FileStreamOptions options = new()
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            return new FileStream(path, options);
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new StoreException(StoreFault.Denied, $"{shown}: the store may not be written; check who owns the directory", fault);
        }
        catch (IOException fault)
        {
            string what = fault.HResult is NoSpace or NoQuota ? "the disk is full"
                : fault.Message.Contains("being used", StringComparison.Ordinal) ? "another process has the store open; is a second agent running for this node?"
                : $"the store cannot be opened ({fault.Message.TrimEnd('.')})";
            throw new StoreException(StoreFault.Unavailable, $"{shown}: {what}", fault);
        }
    }

    private static void Write(FileStream file, ReadOnlySpan<byte> payload)
    {
        byte[] record = new byte[HeadLength + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(record, payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(4), Checksum(payload));
        payload.CopyTo(record.AsSpan(HeadLength));
        file.Write(record);
    }

    private static uint Checksum(ReadOnlySpan<byte> payload)
    {
        uint sum = uint.MaxValue;
        for (; payload.Length >= sizeof(ulong); payload = payload[sizeof(ulong)..])
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(payload));
        }

        foreach (byte rest in payload)
        {
            sum = BitOperations.Crc32C(sum, rest);
        }

        return ~sum;
    }

    private void Read(Action<byte[]> take)
    {
        long fileLength = _file.Length;
        Span<byte> head = stackalloc byte[HeadLength];
        if (fileLength < HeadLength)
        {
            // New, or a crash came before the mark was down.
            _file.SetLength(0);
            _file.Write(Mark);
            _file.Flush(flushToDisk: true);
            Length = HeadLength;
            return;
        }

        _file.ReadExactly(head);
        if (!head.SequenceEqual(Mark))
        {
            throw new StoreException(StoreFault.Refused, $"{_path}: this is no store of cmesh-agent; name another directory");
        }

        Length = HeadLength;
        while (fileLength - Length >= HeadLength)
        {
            _file.ReadExactly(head);
            int length = BinaryPrimitives.ReadInt32LittleEndian(head);
            long end = Length + HeadLength + length;
            if (length is <= 0 or > PayloadLengthLimit || end > fileLength)
            {
                break;
            }

            byte[] payload = new byte[length];
            _file.ReadExactly(payload);
            if (Checksum(payload) != BinaryPrimitives.ReadUInt32LittleEndian(head[4..]))
            {
                if (end < fileLength)
                {
                    throw Damaged();
                }

                break;
            }

            take(payload);
            Length = end;
        }

        CutTail(fileLength);
    }

    /// <summary>One record can be torn, the last; when a whole one can still be found behind the break, it is damage instead.</summary>
    private void CutTail(long fileLength)
    {
        if (fileLength == Length)
        {
            return;
        }

        _file.Position = Length;
        byte[] tail = new byte[Math.Min(fileLength - Length, PayloadLengthLimit)];
        _file.ReadExactly(tail);
        for (int at = 1; at + HeadLength < tail.Length; at++)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(tail.AsSpan(at));
            if (length > 0 && length <= tail.Length - at - HeadLength
                && Checksum(tail.AsSpan(at + HeadLength, length)) == BinaryPrimitives.ReadUInt32LittleEndian(tail.AsSpan(at + 4)))
            {
                throw Damaged();
            }
        }

        _file.SetLength(Length);
        _file.Position = Length;
        _file.Flush(flushToDisk: true);
    }

    private void CutBack()
    {
        try
        {
            _file.SetLength(Length);
            _file.Position = Length;
            _file.Flush(flushToDisk: true);
        }
        catch (IOException)
        {
            _isBroken = true;
        }
    }

    private StoreException Damaged() => new(
        StoreFault.Refused, $"{_path}: the store is damaged at byte {Length}, before its end; restore a copy, or move the file away and apply the manifests again");

    private StoreException Describe(IOException fault) => fault.HResult is NoSpace or NoQuota
        ? new StoreException(StoreFault.Full, $"{_path}: the disk is full; nothing was stored; free some space and try again", fault)
        : new StoreException(StoreFault.Unavailable, $"{_path}: the store cannot be written ({fault.Message.TrimEnd('.')}); nothing was stored", fault);
}
