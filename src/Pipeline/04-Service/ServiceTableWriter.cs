using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Makes service tables one after another. A change costs the pages that it touches, not the table: a page that a published table may read is
/// copied before it is written. One owner: the configuration's writer.
/// </summary>
public sealed class ServiceTableWriter
{
    private static readonly ServiceIndexEntry[] s_emptyIndex = new ServiceIndexEntry[ServiceTable.PageLength];
    private static readonly Frontend?[] s_emptySlots = new Frontend?[ServiceTable.PageLength];

    private readonly HashSet<int> _ownIndexPages = [];
    private readonly HashSet<int> _ownSlotPages = [];
    private readonly ulong _seed;
    private readonly ServiceOptions _options;
    private ServiceIndexEntry[][] _index = [s_emptyIndex];
    private Frontend?[][] _bySlot = [s_emptySlots];
    private ServiceTable? _published;
    private int _count;
    private int _anyCount;
    private int _directCount;

    public ServiceTableWriter(ServiceOptions options, ulong seed)
    {
        _options = options;
        _seed = seed;
    }

    /// <summary>The table as it is now. It stays as it is, whatever is written after.</summary>
    public ServiceTable Publish()
    {
        if (_published is null)
        {
            _published = new ServiceTable(
                _index, _bySlot, _options with { HasAnyProtocol = _anyCount > 0, HasDirectReturn = _options.HasDirectReturn || _directCount > 0 }, _seed);
            _ownIndexPages.Clear();
            _ownSlotPages.Clear();
        }

        return _published;
    }

    /// <summary>Takes a frontend up, in place of the one with its address, port and protocol if there is one, and its inner side with it.</summary>
    /// <param name="frontend">With id 0 it is a wildcard: found by its address, not by its id.</param>
    public void Set(Frontend frontend)
    {
        Touch();
        int place = Find(frontend.Address, frontend.Port, frontend.Protocol);
        if (_index[place >> ServiceTable.PageBits][place & ServiceTable.PageMask].Frontend is { } old)
        {
            ClearSlots(old);
            _directCount -= IsDirect(old) ? 1 : 0;
        }
        else
        {
            if ((_count + 1) * 2 > _index.Length * ServiceTable.PageLength)
            {
                Grow();
                place = Find(frontend.Address, frontend.Port, frontend.Protocol);
            }

            _count++;
            _anyCount += IsAny(frontend) ? 1 : 0;
        }

        _directCount += IsDirect(frontend) ? 1 : 0;
        Place(place, new ServiceIndexEntry(ServiceTable.TagOf(frontend.Address, frontend.Port, frontend.Protocol, _seed), frontend));
        SetSlot(frontend.Id, frontend);
        if (frontend.Internal is { } inner)
        {
            SetSlot(inner.Id, inner);
        }
    }

    /// <summary>Takes a frontend that is there out.</summary>
    public void Remove(IpAddress address, ushort port, IpProtocol protocol)
    {
        Touch();
        int hole = Find(address, port, protocol);
        Frontend old = At(hole).Frontend!;
        ClearSlots(old);
        _count--;
        _anyCount -= IsAny(old) ? 1 : 0;
        _directCount -= IsDirect(old) ? 1 : 0;

        // Closes the gap (Knuth 6.4, algorithm R).
        int mask = (_index.Length * ServiceTable.PageLength) - 1;
        for (int next = (hole + 1) & mask; At(next).Frontend is not null; next = (next + 1) & mask)
        {
            int home = (int)At(next).Tag & mask;
            bool staysPut = hole <= next ? hole < home && home <= next : hole < home || home <= next;
            if (!staysPut)
            {
                Place(hole, At(next));
                hole = next;
            }
        }

        Place(hole, default);
    }

    private static bool IsDirect(Frontend frontend) => frontend.Forwarding != ForwardingMode.Snat;

    private static bool IsAny(Frontend frontend) => frontend.Protocol == ServiceTable.AnyProtocol && frontend.Port != 0;

    /// <summary>The first write behind a published table gets directories of its own.</summary>
    private void Touch()
    {
        if (_published is not null)
        {
            _published = null;
            _index = [.. _index];
            _bySlot = [.. _bySlot];
        }
    }

    private ServiceIndexEntry At(int place) => _index[place >> ServiceTable.PageBits][place & ServiceTable.PageMask];

    /// <summary>The place of a frontend, or the free one where it belongs.</summary>
    private int Find(IpAddress address, ushort port, IpProtocol protocol)
    {
        int mask = (_index.Length * ServiceTable.PageLength) - 1;
        int place = (int)ServiceTable.TagOf(address, port, protocol, _seed) & mask;
        while (At(place).Frontend is { } found && (found.Address != address || found.Port != port || found.Protocol != protocol))
        {
            place = (place + 1) & mask;
        }

        return place;
    }

    private void Place(int place, ServiceIndexEntry entry)
    {
        int page = place >> ServiceTable.PageBits;
        if (_ownIndexPages.Add(page))
        {
            _index[page] = [.. _index[page]];
        }

        _index[page][place & ServiceTable.PageMask] = entry;
    }

    private void ClearSlots(Frontend frontend)
    {
        SetSlot(frontend.Id, null);
        if (frontend.Internal is { } inner)
        {
            SetSlot(inner.Id, null);
        }
    }

    private void SetSlot(uint id, Frontend? frontend)
    {
        if (id == 0)
        {
            return;
        }

        int slot = (int)(id & ServiceTable.SlotMask);
        int page = slot >> ServiceTable.PageBits;
        if (page >= _bySlot.Length)
        {
            int length = _bySlot.Length;
            Array.Resize(ref _bySlot, (int)BitOperations.RoundUpToPowerOf2((uint)page + 1));
            Array.Fill(_bySlot, s_emptySlots, length, _bySlot.Length - length);
        }

        if (_ownSlotPages.Add(page))
        {
            _bySlot[page] = [.. _bySlot[page]];
        }

        _bySlot[page][slot & ServiceTable.PageMask] = frontend;
    }

    /// <summary>Twice the places: rare, and the only step that costs the whole table.</summary>
    private void Grow()
    {
        ServiceIndexEntry[][] old = _index;
        _index = new ServiceIndexEntry[old.Length * 2][];
        _ownIndexPages.Clear();
        for (int page = 0; page < _index.Length; page++)
        {
            _index[page] = new ServiceIndexEntry[ServiceTable.PageLength];
            _ownIndexPages.Add(page);
        }

        int mask = (_index.Length * ServiceTable.PageLength) - 1;
        foreach (ServiceIndexEntry entry in old.SelectMany(page => page))
        {
            if (entry.Frontend is not null)
            {
                int place = (int)entry.Tag & mask;
                while (At(place).Frontend is not null)
                {
                    place = (place + 1) & mask;
                }

                Place(place, entry);
            }
        }
    }
}
