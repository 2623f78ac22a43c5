using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The forwarders of this machine that a worker exchanges frames with through memory. To the pipeline their frames come and go by the uplink:
/// only here is seen that the station with that MAC address is nearer than the bridge. Belongs to the worker's thread.
/// </summary>
internal sealed class LinkSet(FrameBuffers buffers, DatapathCounters counters) : IDisposable
{
    /// <summary>Frames taken from one link before the ports get their turn.</summary>
    private const int MaxTakenCount = Burst.MaxCount / 2;

    /// <summary>With fewer free buffers a sleeper wants to know of those that come back.</summary>
    private const int FewBuffers = 64;

    private readonly MemoryLink?[] _byNumber = new MemoryLink?[FrameBuffers.MaxLinkCount + 1];
    private readonly MemoryLink[] _links = new MemoryLink[FrameBuffers.MaxLinkCount];
    private WorkerLinks? _siblings;
    private MacAddress[] _peersOfFirst = [];
    private int _port = -1;
    private bool _hasGrown;

    public int Count { get; private set; }

    /// <summary>What is done with a borrowed buffer, of a peer or of a worker beside this one, that is needed no longer.</summary>
    public Action<int>? Release { get; set; }

    /// <summary>There is one whom frames can be sent to, by this worker or by the first.</summary>
    public bool CanSend { get; private set; }

    public bool HasFrames
    {
        get
        {
            for (int i = 0; i < Count; i++)
            {
                if (_links[i].HasFrames)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <param name="peerBuffers">The memory of the peer's buffers.</param>
    /// <param name="port">The uplink, by which the peer can be reached too.</param>
    public void Add(MemoryLink link, FileDescriptor peerBuffers, int port)
    {
        if (!_hasGrown)
        {
            _hasGrown = true;
            buffers.Grow(MemoryLink.MaxLentCount);
        }

        _port = port;
        buffers.Map(link.Number, peerBuffers);
        _byNumber[link.Number] = link;
        _links[Count++] = link;
        CanSend = true;
    }

    /// <summary>For a worker that is not the first: whom the first is linked to. Frames for them are handed over to it as they leave.</summary>
    public void SendByFirst(WorkerLinks siblings, MacAddress[] peers, int port)
    {
        _siblings = siblings;
        _peersOfFirst = peers;
        _port = port;
        CanSend = peers.Length > 0;
    }

    /// <summary>Nothing of the link may be on its way any more.</summary>
    public void Remove(MemoryLink link)
    {
        int index = Array.IndexOf(_links, link, 0, Count);
        if (index < 0)
        {
            return;
        }

        while (link.TryReclaim(out int buffer))
        {
            buffers.Return(buffer);
        }

        _byNumber[link.Number] = null;
        _links[index] = _links[--Count];
        CanSend = Count > 0;
        buffers.Unmap(link.Number);
        link.Dispose();
    }

    /// <summary>Tells the peers what was sent to them, takes back what they have done with, and adds what they sent to the burst.</summary>
    public void Exchange(Burst burst)
    {
        for (int i = 0; i < Count; i++)
        {
            MemoryLink link = _links[i];
            link.Notify();
            while (link.TryTakeBack(out int own))
            {
                buffers.Return(own);
            }

            for (int taken = 0; taken < MaxTakenCount && !burst.IsFull && link.TryReceive(out int buffer, out int start, out int length); taken++)
            {
                burst.Add(new BurstFrame
                {
                    Buffer = buffer,
                    IngressPort = _port,
                    Start = start + VirtioNetHeader.Length,
                    Length = length - VirtioNetHeader.Length,
                    Offload = VirtioNetHeader.ReadReceived(buffers.BufferOf(buffer)[start..]),
                });
            }
        }
    }

    /// <summary>Sends a frame to the linked forwarder that it is for; false when it must take the port.</summary>
    /// <param name="buffer">Given away, if true.</param>
    /// <param name="start">Of the virtio header.</param>
    /// <param name="length">Virtio header included.</param>
    public bool TrySend(int port, int buffer, int start, int length)
    {
        Span<byte> frame = buffers.BufferOf(buffer).Slice(start, length);
        if (_peersOfFirst.Length > 0)
        {
            return IsForPeerOfFirst(port, frame) && HandToFirst(port, buffer, start, length);
        }

        if (Find(port, frame) is not { } link)
        {
            return false;
        }

        if (buffer >= FrameBuffers.MostCount)
        {
            Copy(link, frame); // What was lent to us cannot be lent on.
            Release!(buffer);
        }
        else if (!Lend(link, buffer, start, length))
        {
            buffers.Return(buffer);
        }

        return true;
    }

    /// <summary>The same for a frame that lies elsewhere.</summary>
    public bool TrySend(int port, ReadOnlySpan<byte> frame)
    {
        if (_peersOfFirst.Length > 0)
        {
            return IsForPeerOfFirst(port, frame) && HandToFirst(port, frame);
        }

        if (Find(port, frame) is not { } link)
        {
            return false;
        }

        Copy(link, frame);
        return true;
    }

    public void GiveBack(int buffer) => _byNumber[buffer / FrameBuffers.MostCount]!.GiveBack(buffer);

    /// <summary>Tells the peers what was sent to them and says to all that we sleep; false when one has sent something meanwhile.</summary>
    public bool FallAsleep()
    {
        for (int i = 0; i < Count; i++)
        {
            _links[i].Notify();
        }

        PeerSleep sleep = buffers.FreeCount < FewBuffers ? PeerSleep.UntilBuffers : PeerSleep.UntilFrames;
        Say(sleep);
        Interlocked.MemoryBarrier(); // Our word is seen before we look; who sends does it the other way round.
        return !HasFrames;
    }

    public void WakeUp() => Say(PeerSleep.Awake);

    public void Dispose()
    {
        while (Count > 0)
        {
            Remove(_links[0]);
        }
    }

    private void Say(PeerSleep sleep)
    {
        for (int i = 0; i < Count; i++)
        {
            _links[i].Say(sleep);
        }
    }

    private MemoryLink? Find(int port, ReadOnlySpan<byte> frame)
    {
        if (port != _port)
        {
            return null;
        }

        MacAddress destination = MacAddress.FromBytes(frame[VirtioNetHeader.Length..]);
        for (int i = 0; i < Count; i++)
        {
            if (_links[i].PeerMac == destination && !_links[i].IsEnding)
            {
                return _links[i];
            }
        }

        return null;
    }

    private bool IsForPeerOfFirst(int port, ReadOnlySpan<byte> frame)
    {
        bool isFound = false;
        MacAddress destination = MacAddress.FromBytes(frame[VirtioNetHeader.Length..]);
        for (int i = 0; i < _peersOfFirst.Length && port == _port; i++)
        {
            isFound |= _peersOfFirst[i] == destination;
        }

        return isFound;
    }

    private bool HandToFirst(int port, int buffer, int start, int length)
    {
        BurstFrame frame = ForFirst(port, buffers.BufferOf(buffer).Slice(start, length));
        if (!_siblings!.HandOver(frame with { Buffer = buffer, Start = start + VirtioNetHeader.Length }))
        {
            Release!(buffer);
        }

        return true;
    }

    private bool HandToFirst(int port, ReadOnlySpan<byte> frame)
    {
        _siblings!.HandOver(ForFirst(port, frame), frame[VirtioNetHeader.Length..]);
        return true;
    }

    /// <param name="frame">Virtio header first.</param>
    private static BurstFrame ForFirst(int port, ReadOnlySpan<byte> frame) => new()
    {
        Length = frame.Length - VirtioNetHeader.Length,
        IngressPort = port,
        Offload = VirtioNetHeader.Read(frame),
        Verdict = Verdict.Transmit,
        EgressPort = port,
    };

    private void Copy(MemoryLink link, ReadOnlySpan<byte> frame)
    {
        int copy = buffers.FreeCount > 0 ? buffers.Take() : -1;
        if (copy >= 0)
        {
            frame.CopyTo(buffers.BufferOf(copy)[FrameBuffers.ReceiveOffset..]);
        }

        if (!Lend(link, copy, FrameBuffers.ReceiveOffset, frame.Length) && copy >= 0)
        {
            buffers.Return(copy);
        }
    }

    /// <summary>False, and counted, when the peer has as many as it may.</summary>
    private bool Lend(MemoryLink link, int buffer, int start, int length)
    {
        if (buffer >= 0 && link.TrySend(buffer, start, length))
        {
            counters.CountTransmit(_port, length - VirtioNetHeader.Length);
            return true;
        }

        Span<byte> frame = buffer < 0 ? default : buffers.BufferOf(buffer)[(start + VirtioNetHeader.Length)..(start + length)];
        counters.CountDrop(DropReason.EgressRefused, length - VirtioNetHeader.Length, frame, _port);
        return false;
    }
}
