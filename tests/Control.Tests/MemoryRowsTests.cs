using System.Runtime;
using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class MemoryRowsTests
{
    private const int Held = 64 << 20;

    /// <summary>What is alive tells a leak from room that the runtime keeps.</summary>
    [Fact]
    public void What_is_held_is_alive_and_what_is_dropped_is_not()
    {
        ulong before = AliveBytes();
        ulong with = AliveBytesWhileHeld();
        Assert.InRange(with, before + (Held * 3 / 4), ulong.MaxValue);
        Assert.InRange(AliveBytes(), 0ul, with - (Held * 3 / 4));
    }

    [Fact]
    public void Collections_and_allocations_only_grow()
    {
        ulong allocated = Of("heap", "all", "allocatedBytes");
        ulong collections = Of("heap", "gen2", "collections");
        AliveBytes();
        Assert.True(Of("heap", "gen2", "collections") > collections);
        Assert.True(Of("heap", "all", "allocatedBytes") > allocated);
        Assert.True(Of("heap", "last", "committedBytes") >= Of("heap", "whole", "aliveBytes"));
    }

    /// <summary>By itself: code that is not optimized holds on to what its locals held.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong AliveBytesWhileHeld()
    {
        byte[] held = new byte[Held];
        Array.Fill(held, (byte)1);
        ulong alive = AliveBytes();
        Assert.InRange(Of("process", "memory", "ownBytes"), (ulong)Held, Of("process", "memory", "residentBytes"));
        GC.KeepAlive(held);
        return alive;
    }

    private static ulong AliveBytes()
    {
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
        return Of("heap", "whole", "aliveBytes");
    }

    private static ulong Of(string scope, string name, string counter) =>
        Assert.Single(MemoryRows.Read(), r => r.Scope == scope && r.Name == name && r.Counter == counter).Value;
}
