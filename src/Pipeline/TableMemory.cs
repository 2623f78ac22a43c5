using System.Runtime.CompilerServices;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Makes <see cref="TableRows{T}"/>.</summary>
public static class TableMemory
{
    internal const int HeadLength = 64;

    /// <summary>Bytes of so many entries with their head, in whole cache lines.</summary>
    public static int LengthOf<T>(int count)
        where T : unmanaged => checked((HeadLength + (count * Unsafe.SizeOf<T>()) + 63) & ~63);

    /// <summary>Memory of this process, there before it is used.</summary>
    public static TableRows<T> OfProcess<T>(int count)
        where T : unmanaged
    {
        byte[] memory = GC.AllocateArray<byte>(LengthOf<T>(count), pinned: true);
        memory.AsSpan().Clear(); // Brings the memory in now, not while packets wait.
        return new TableRows<T>(memory, count, memory, isKept: false);
    }

    /// <param name="memory">Stays where it is as long as <paramref name="owner"/> lives.</param>
    /// <param name="isKept">It holds what another process left; else it is all zero.</param>
    public static TableRows<T> Over<T>(Span<byte> memory, int count, object owner, bool isKept)
        where T : unmanaged => new(memory, count, owner, isKept);
}
