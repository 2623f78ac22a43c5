using System.Runtime.CompilerServices;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// A path between two forwarders of one machine that copies nothing: a frame is lent to the other, which works on it where it lies and
/// gives the buffer back. Two rings a direction in memory that both have: frames one way, their buffers the other. Each ring has one
/// writer and one reader, and each side believes no number of the other's. Belongs to the worker's thread.
/// </summary>
internal sealed unsafe class MemoryLink : IDisposable
{
    /// <summary>Frames that can be lent at once; both rings of a direction have room for so many.</summary>
    public const int MaxLentCount = 1024;

    /// <summary>Bytes that the rings of both directions take.</summary>
    public const int RingsLength = 2 * DirectionLength;

    private const int DirectionLength = 64 * 1024;
    private const int Mask = MaxLentCount - 1;

    // A direction: how far its writer and its reader have come, each on lines of its own, whether the reader sleeps, then the two rings. Nobody
    // overtakes: a place of either ring is used again only when the buffer that stood there has come back.
    private const int FrameTail = 0;
    private const int ReturnTail = 128;
    private const int Sleeping = 256;
    private const int FrameRing = 4096;
    private const int ReturnRing = FrameRing + (MaxLentCount * sizeof(ulong));

    private readonly MappedMemory _rings;
    private readonly EventCounter _peerWake;
    private readonly byte* _out;
    private readonly byte* _in;
    private readonly bool[] _isLent = new bool[FrameBuffers.MostCount];
    private readonly int _firstBuffer;
    private uint _outFrameTail;
    private uint _outReturnHead;
    private uint _inFrameHead;
    private uint _inReturnTail;
    private bool _hasSent;
    private bool _hasGivenBack;

    /// <param name="number">From 1: whose buffers the peer's are among ours.</param>
    /// <param name="peerMac">Of the peer's uplink: frames for it take this path.</param>
    /// <param name="isFirst">Which of the two directions is ours to write.</param>
    public MemoryLink(int number, string peer, MacAddress peerMac, MappedMemory rings, EventCounter peerWake, bool isFirst)
    {
        Number = number;
        Peer = peer;
        PeerMac = peerMac;
        _firstBuffer = number * FrameBuffers.MostCount;
        _rings = rings;
        _peerWake = peerWake;
        _out = rings.Start + (isFirst ? 0 : DirectionLength);
        _in = rings.Start + (isFirst ? DirectionLength : 0);
    }

    public int Number { get; }

    /// <summary>Cluster and name of the node at the other end.</summary>
    public string Peer { get; }

    public MacAddress PeerMac { get; }

    public ulong SentCount { get; private set; }

    public ulong ReceivedCount { get; private set; }

    /// <summary>It is about to end: nothing more is sent by it.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Our frames that the peer has.</summary>
    public int LentCount { get; private set; }

    /// <summary>The peer's frames that we have.</summary>
    public int BorrowedCount { get; private set; }

    public bool HasFrames => Volatile.Read(ref At(_in, FrameTail)) != _inFrameHead;

    /// <summary>Lends a frame; false when the peer has as many as there is room for.</summary>
    /// <param name="buffer">One of our own.</param>
    /// <param name="start">Of the virtio header.</param>
    /// <param name="length">Virtio header included.</param>
    public bool TrySend(int buffer, int start, int length)
    {
        if (LentCount == MaxLentCount)
        {
            return false;
        }

        Ring(_out, FrameRing)[_outFrameTail & Mask] = (ulong)(uint)length << 40 | (ulong)(uint)start << 24 | (uint)buffer;
        Volatile.Write(ref At(_out, FrameTail), ++_outFrameTail);
        _isLent[buffer] = true;
        LentCount++;
        SentCount++;
        _hasSent = true;
        return true;
    }

    /// <summary>Borrows the peer's next frame. Entries that no honest peer writes are passed over.</summary>
    /// <param name="buffer">Among the numbers of this link.</param>
    /// <param name="start">Of the virtio header.</param>
    public bool TryReceive(out int buffer, out int start, out int length)
    {
        while (HasFrames)
        {
            ulong entry = Ring(_in, FrameRing)[_inFrameHead & Mask];
            _inFrameHead++;
            int number = (int)(entry & 0xFF_FFFF);
            start = (int)(entry >> 24) & 0xFFFF;
            length = (int)(entry >> 40);
            if (number < FrameBuffers.MostCount && length >= VirtioNetHeader.Length && start + length <= PacketContext.BufferLength)
            {
                buffer = _firstBuffer + number;
                BorrowedCount++;
                ReceivedCount++;
                return true;
            }
        }

        buffer = start = length = 0;
        return false;
    }

    /// <summary>Gives a borrowed buffer back.</summary>
    public void GiveBack(int buffer)
    {
        Ring(_in, ReturnRing)[_inReturnTail & Mask] = (uint)(buffer - _firstBuffer);
        Volatile.Write(ref At(_in, ReturnTail), ++_inReturnTail);
        BorrowedCount--;
        _hasGivenBack = true;
    }

    /// <summary>One of our buffers that the peer has given back.</summary>
    public bool TryTakeBack(out int buffer)
    {
        while (Volatile.Read(ref At(_out, ReturnTail)) != _outReturnHead)
        {
            ulong number = Ring(_out, ReturnRing)[_outReturnHead++ & Mask];
            if (number < (ulong)_isLent.Length && _isLent[number])
            {
                buffer = (int)number;
                _isLent[buffer] = false;
                LentCount--;
                return true;
            }
        }

        buffer = -1;
        return false;
    }

    /// <summary>The peer is gone: one of our buffers that it had.</summary>
    public bool TryReclaim(out int buffer)
    {
        buffer = Array.IndexOf(_isLent, true);
        if (buffer >= 0)
        {
            _isLent[buffer] = false;
            LentCount--;
        }

        return buffer >= 0;
    }

    /// <summary>Says how we are about to sleep, or that we do not: whoever has something for us then wakes us.</summary>
    public void Say(PeerSleep sleep) => Volatile.Write(ref At(_in, Sleeping), (uint)sleep);

    /// <summary>Wakes the peer if it sleeps and something came since the last time that it wants to be woken for.</summary>
    public void Notify()
    {
        if (!_hasSent && !_hasGivenBack)
        {
            return;
        }

        Interlocked.MemoryBarrier(); // What was written is seen before the peer's word is read; the peer does it the other way round.
        var sleep = (PeerSleep)Volatile.Read(ref At(_out, Sleeping));
        if ((_hasSent && sleep != PeerSleep.Awake) || sleep == PeerSleep.UntilBuffers)
        {
            Volatile.Write(ref At(_out, Sleeping), (uint)PeerSleep.Awake);
            _peerWake.Signal();
        }

        _hasSent = false;
        _hasGivenBack = false;
    }

    public void Dispose()
    {
        _rings.Dispose();
        _peerWake.Dispose();
    }

    private static ref uint At(byte* direction, int offset) => ref Unsafe.AsRef<uint>(direction + offset);

    private static ulong* Ring(byte* direction, int offset) => (ulong*)(direction + offset);
}
