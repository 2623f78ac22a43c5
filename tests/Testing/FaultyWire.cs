using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// One direction of a wire before a port, on which frames are lost, doubled, overtaken and changed, by a seed. There is no clock: how long a frame is kept
/// back is counted in the frames that pass it.
/// </summary>
public sealed class FaultyWire(ulong seed, WireFaults faults)
{
    private const uint MostOvertakers = 4;
    private const uint LeastDelay = 20;
    private const uint MostDelay = 60;

    private readonly FlowRandom _dice = new(seed);
    private readonly List<(uint Left, byte[] Frame)> _waiting = [];

    public int DroppedCount { get; private set; }

    public int DuplicatedCount { get; private set; }

    /// <summary>Frames that others have overtaken.</summary>
    public int OvertakenCount { get; private set; }

    public int CorruptedCount { get; private set; }

    /// <summary>A frame goes in; these come out, in this order. The frame itself stays as it is.</summary>
    public IReadOnlyList<byte[]> Pass(byte[] frame)
    {
        List<byte[]> arriving = [];
        if (Befalls(faults.Drop))
        {
            DroppedCount++;
        }
        else
        {
            byte[] sent = Befalls(faults.Corrupt) ? Corrupted(frame) : frame;
            bool isDoubled = Befalls(faults.Duplicate);
            DuplicatedCount += isDoubled ? 1 : 0;
            for (int i = isDoubled ? 2 : 1; i > 0; i--)
            {
                Put(sent, arriving);
            }
        }

        for (int i = 0; i < _waiting.Count;)
        {
            _waiting[i] = (_waiting[i].Left - 1, _waiting[i].Frame);
            if (_waiting[i].Left == 0)
            {
                arriving.Add(_waiting[i].Frame);
                _waiting.RemoveAt(i);
            }
            else
            {
                i++;
            }
        }

        return arriving;
    }

    /// <summary>What still waits arrives, as when nothing more is sent.</summary>
    public IReadOnlyList<byte[]> Rest()
    {
        byte[][] rest = [.. _waiting.Select(w => w.Frame)];
        _waiting.Clear();
        return rest;
    }

    private bool Befalls(uint perThousand) => perThousand > 0 && _dice.Below(1000) < perThousand;

    private void Put(byte[] frame, List<byte[]> arriving)
    {
        uint left = Befalls(faults.Delay) ? LeastDelay + _dice.Below(MostDelay - LeastDelay) : Befalls(faults.Reorder) ? 2 + _dice.Below(MostOvertakers) : 0;
        if (left == 0)
        {
            arriving.Add(frame);
            return;
        }

        OvertakenCount++;
        _waiting.Add((left, frame));
    }

    private byte[] Corrupted(byte[] frame)
    {
        CorruptedCount++;
        byte[] corrupted = [.. frame];
        uint bit = _dice.Below((uint)corrupted.Length * 8);
        corrupted[bit / 8] ^= (byte)(1 << (int)(bit % 8));
        return corrupted;
    }
}
