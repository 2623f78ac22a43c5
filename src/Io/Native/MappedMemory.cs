using System.Runtime.InteropServices;
using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>
/// Memory from the kernel at an address that stays: fresh, or that of a file, which other processes may have too. Owned by whoever made it;
/// gone with Dispose.
/// </summary>
internal sealed unsafe class MappedMemory : IDisposable
{
    private const int PopulateWrite = 23; // MADV_POPULATE_WRITE, Linux 5.14
    private const int MapNoReserve = 0x4000;

    private MappedMemory(byte* start, long length)
    {
        Start = start;
        Length = length;
    }

    public byte* Start { get; private set; }

    public long Length { get; }

    public static MappedMemory OfFile(SafeHandle file, ulong offset, long length) =>
        new(Map(null, length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED | LibC.MAP_POPULATE, (int)file.DangerousGetHandle(), (long)offset), length);

    /// <summary>For reading only: writing to it would end the process.</summary>
    public static MappedMemory OfReadableFile(FileDescriptor file, long length) =>
        new(Map(null, length, LibC.PROT_READ, LibC.MAP_SHARED, file.Number, 0), length);

    /// <summary>Zeros, which come with the first touch or with <see cref="Populate"/>.</summary>
    public static MappedMemory Fresh(long length) =>
        new(Map(null, length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS, -1, 0), length);

    /// <summary>Addresses with nothing behind them, for <see cref="Place"/>.</summary>
    public static MappedMemory Reserve(long length) =>
        new(Map(null, length, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | MapNoReserve, -1, 0), length);

    /// <summary>Puts a file's memory at a place of this one. The file's pages come with the first touch or with <see cref="Populate"/>.</summary>
    public void Place(FileDescriptor file, long offset, long length) =>
        Map(Start + offset, length, LibC.PROT_READ | LibC.PROT_WRITE, LibC.MAP_SHARED | LibC.MAP_FIXED | MapNoReserve, file.Number, 0);

    /// <summary>Takes away what was put at a place; the addresses stay reserved.</summary>
    public void Clear(long offset, long length) =>
        Map(Start + offset, length, LibC.PROT_NONE, LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_FIXED | MapNoReserve, -1, 0);

    /// <summary>Has the memory there before it is used, and keeps it there where the limit on locked memory allows.</summary>
    public void Populate(long offset, long length)
    {
        long page = offset & ~4095L;
        long end = (offset + length + 4095L) & ~4095L;
        if (LibC.madvise(Start + page, (size_t)(ulong)(end - page), PopulateWrite) != 0)
        {
            new Span<byte>(Start + offset, checked((int)length)).Clear(); // An older kernel: touching does it too.
        }

        _ = LibC.mlock(Start + page, (size_t)(ulong)(end - page));
    }

    public Span<byte> Span(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, Length);
        return new Span<byte>(Start + offset, length);
    }

    public void Dispose()
    {
        if (Start != null)
        {
            _ = LibC.munmap(Start, (size_t)(ulong)Length);
            Start = null;
        }
    }

    private static byte* Map(byte* start, long length, int protection, int flags, int file, long offset)
    {
        void* mapped = LibC.mmap(start, (size_t)(ulong)length, protection, flags, file, offset);
        return mapped == LibC.MAP_FAILED ? throw new DeviceException($"mmap of {length} bytes: {new KernelError(LibC.errno)}") : (byte*)mapped;
    }
}
