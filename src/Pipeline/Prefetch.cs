using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Asks for a cache line that will be needed soon and does not wait for it. A hint: it reads nothing, changes nothing and cannot fail, whatever
/// the address, also when a collection moves the object meanwhile. Why a pointer stands here: docs/decisions/0007.
/// </summary>
public static class Prefetch
{
    private const int LineLength = 64;

    /// <summary>The line in which the item begins.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Start<T>(ref readonly T item)
        where T : unmanaged
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in item)));
        }
    }

    /// <summary>Every line of an item of at most 128 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Item<T>(ref readonly T item)
        where T : unmanaged
    {
        if (Sse.IsSupported)
        {
            byte* start = (byte*)Unsafe.AsPointer(ref Unsafe.AsRef(in item));
            Sse.Prefetch0(start);
            if (sizeof(T) > sizeof(ulong))
            {
                Sse.Prefetch0(start + sizeof(T) - 1);
            }

            if (sizeof(T) > LineLength)
            {
                Sse.Prefetch0(start + LineLength);
            }
        }
    }
}
