using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The writer's side of the longest-prefix match of the route stage: prefixes of both families with a value each. One thread writes;
/// readers look up in the <see cref="PrefixMap"/> of the last <see cref="Publish"/>.
/// </summary>
/// <remarks>
/// A trie in which every change makes new blocks along one path. It holds the prefixes itself: exact match, removal and enumeration read the nodes
/// the readers read. Only lengths 0 to 18 are kept beside it, because roots and rows hold them spread. IPv4 has roots of its own and is otherwise the same.
/// </remarks>
public sealed class PrefixTable
{
    private const int Width = PrefixRow.Width;
    private const int NoValue = PrefixRow.NoValue;
    private const int FlatLength = PrefixFamily.FlatLength;
    private const int RowsLength = PrefixRoot.Stride + PrefixRow.Stride;

    /// <summary>Slots (of 19 bits) below the bits of one block of leaves.</summary>
    private const int SlotsOfArea = 1 << (FlatLength - PrefixLeaves.AreaLength);

    private readonly PrefixSlab<PrefixNode> _nodes = new(PrefixMap.NodeChunkShift, PrefixNode.Length, default);
    private readonly PrefixSlab<int> _values = new(PrefixMap.ValueChunkShift, sizeof(int), NoValue);
    private readonly PrefixSlab<PrefixRow> _rows = new(PrefixMap.RowChunkShift, PrefixRow.Length, PrefixRow.Empty);
    private readonly PrefixLeaves _leaves = new();
    private readonly PrefixTrie _trie;
    private readonly PrefixFamily _ipv4 = new(0, IpPrefix.Ipv4Offset);
    private readonly PrefixFamily _ipv6 = new(1, 0);
    private PrefixMap? _published;
    private long _version;
    private long _changeCount;

    public PrefixTable() => _trie = new PrefixTrie(_nodes, _values);

    public int Count { get; private set; }

    /// <summary>Bytes held, with what is free for reuse or waits for <see cref="Reclaim"/>.</summary>
    public long MemoryLength => _nodes.MemoryLength + _values.MemoryLength + _rows.MemoryLength + _leaves.MemoryLength + _ipv4.MemoryLength + _ipv6.MemoryLength;

    /// <summary>Bytes written into blocks since the table was made: what a change costs, counted.</summary>
    internal long WrittenLength => _nodes.WrittenLength + _values.WrittenLength + _rows.WrittenLength + _leaves.WrittenLength;

    /// <summary>Bytes of the blocks in use: a leak shows here, where <see cref="MemoryLength"/> hides it in a chunk.</summary>
    internal long UsedLength => _nodes.UsedLength + _values.UsedLength + _rows.UsedLength + _leaves.UsedLength;

    /// <summary>The value of exactly this prefix; -1 when there is none.</summary>
    public bool TryGet(IpPrefix prefix, out int value)
    {
        value = NoValue;
        if (IsValid(prefix))
        {
            PrefixFamily family = FamilyOf(prefix);
            (UInt128 bits, int length) = family.Locate(prefix);
            value = length < FlatLength
                ? family.ShorterAt(Slot(bits), length)
                : _trie.Find(FirstNode(family, bits), bits << FlatLength, length - FlatLength);
        }

        return value >= 0;
    }

    /// <summary>Adds the prefix or replaces its value (0 or more). True when it was new.</summary>
    /// <exception cref="ArgumentException">A negative value, or a prefix with bits behind its length.</exception>
    public bool Set(IpPrefix prefix, int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        if (!IsValid(prefix))
        {
            throw new ArgumentException($"{prefix.Address} with {prefix.Length} bits is no prefix: bits behind the length must be zero", nameof(prefix));
        }

        bool held = TryGet(prefix, out int before);
        if (!held || before != value)
        {
            Apply(prefix, value);
            Count += held ? 0 : 1;
        }

        return !held;
    }

    /// <summary>True when the prefix was there.</summary>
    public bool Remove(IpPrefix prefix)
    {
        if (!TryGet(prefix, out _))
        {
            return false;
        }

        Apply(prefix, NoValue);
        Count--;
        return true;
    }

    /// <summary>
    /// The table as it is now, for any thread; the caller hands it over with a volatile write. The same map again when nothing has changed.
    /// Costs a little for each block made since the last call, nothing for the size of the table.
    /// </summary>
    public PrefixMap Publish()
    {
        if (_published is null)
        {
            _version++;
            RenewLeaves();
            _leaves.Publish(_version);
            _nodes.Publish(_version);
            _values.Publish(_version);
            _rows.Publish(_version);
            _published = new PrefixMap(_version, _nodes.Chunks, _values.Chunks, _rows.Chunks, _leaves.Chunks, _leaves.Tops, [.. _ipv4.Roots, .. _ipv6.Roots]);
        }

        return _published;
    }

    /// <summary>
    /// Makes memory that only older maps refer to free for reuse; called by the writing thread. Without it memory grows with every change.
    /// </summary>
    /// <param name="oldestVersionInUse">
    /// The lowest <see cref="PrefixMap.Version"/> any thread may still read from now on: the lowest that the workers have reported after they took up
    /// a newer map, at most that of the newest map. Maps below it answer anything, or throw, from here on.
    /// </param>
    public void Reclaim(long oldestVersionInUse)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oldestVersionInUse, _version);
        _nodes.Reclaim(oldestVersionInUse);
        _values.Reclaim(oldestVersionInUse);
        _rows.Reclaim(oldestVersionInUse);
        _leaves.Reclaim(oldestVersionInUse);
    }

    /// <summary>All prefixes in the order of <see cref="IpPrefix.CompareTo"/>, IPv4 first. For listings, not for the packet's path.</summary>
    /// <exception cref="InvalidOperationException">The table was changed meanwhile.</exception>
    public IEnumerable<KeyValuePair<IpPrefix, int>> Enumerate()
    {
        long changeCount = _changeCount;
        foreach (KeyValuePair<IpPrefix, int> entry in Enumerate(_ipv4).Concat(Enumerate(_ipv6)))
        {
            yield return entry;
            if (changeCount != _changeCount)
            {
                throw new InvalidOperationException("the prefix table was changed while it was enumerated");
            }
        }
    }

    private static bool IsValid(IpPrefix prefix) => prefix.Length is >= 0 and <= IpPrefix.MaxLength && prefix.Contains(prefix.Address);

    private PrefixFamily FamilyOf(IpPrefix prefix) => prefix.IsIpv4 ? _ipv4 : _ipv6;

    private PrefixRow RowAt(PrefixFamily family, int at) => _rows[family.Roots[at >> PrefixRow.Stride].Rows + (at & (Width - 1))];

    private PrefixNode FirstNode(PrefixFamily family, UInt128 bits) =>
        _nodes[RowAt(family, Slot(bits) >> PrefixRow.Stride).Nodes + (Slot(bits) & (Width - 1))];

    /// <summary>Sets the value, or takes the prefix away with <see cref="NoValue"/>; it must be there then.</summary>
    private void Apply(IpPrefix prefix, int value)
    {
        _changeCount++;
        _published = null;
        PrefixFamily family = FamilyOf(prefix);
        (UInt128 bits, int length) = family.Locate(prefix);
        if (length < FlatLength)
        {
            family.SetShorter(Slot(bits), length, value);
            Spread(family, Slot(bits), length);
            return;
        }

        _leaves.MarkChanged(family.Number, Slot(bits) / SlotsOfArea, 1);
        int at = Slot(bits) >> PrefixRow.Stride;
        PrefixRow row = RowAt(family, at);
        PrefixNode node = _trie.Change(FirstNode(family, bits), bits << FlatLength, length - FlatLength, value);
        int nodes = _nodes.Replace(row.Nodes, Width, Slot(bits) & (Width - 1), node);
        if (node.IsEmpty && !_nodes.Block(nodes, Width).ContainsAnyExcept(default(PrefixNode)))
        {
            _nodes.Release(nodes, Width);
            nodes = 0;
        }

        SetRow(family, at, row with { Nodes = nodes });
    }

    private void SetRow(PrefixFamily family, int at, PrefixRow row)
    {
        ref PrefixRoot root = ref family.Roots[at >> PrefixRow.Stride];
        int rows = _rows.Replace(root.Rows, Width, at & (Width - 1), row);
        if (row == PrefixRow.Empty && !_rows.Block(rows, Width).ContainsAnyExcept(row))
        {
            _rows.Release(rows, Width);
            rows = 0;
        }

        root = root with { Rows = rows };
    }

    /// <summary>Writes the best short match anew wherever a prefix of less than 19 bits may have been it.</summary>
    private void Spread(PrefixFamily family, int start, int length)
    {
        if (length < PrefixRoot.Stride)
        {
            int first = start >> (2 * PrefixRow.Stride);
            for (int at = first; at < first + (PrefixRoot.Count >> length); at++)
            {
                family.Roots[at] = family.Roots[at] with { Value = family.BestShorter(at << (2 * PrefixRow.Stride), 0, PrefixRoot.Stride) };
            }
        }
        else if (length < RowsLength)
        {
            int first = start >> PrefixRow.Stride;
            for (int at = first; at < first + (1 << (RowsLength - length)); at++)
            {
                PrefixRow covered = RowAt(family, at);
                int best = family.BestShorter(at << PrefixRow.Stride, PrefixRoot.Stride, RowsLength);
                if (best != covered.Value)
                {
                    SetRow(family, at, covered with { Value = best });
                }
            }
        }
        else
        {
            SpreadInRow(family, start, length);
        }
    }

    private void SpreadInRow(PrefixFamily family, int start, int length)
    {
        _leaves.MarkChanged(family.Number, start / SlotsOfArea, Math.Max(1, (1 << (FlatLength - length)) / SlotsOfArea));
        PrefixRow row = RowAt(family, start >> PrefixRow.Stride);
        int values = row.Shorter;
        for (int slot = start; slot < start + (1 << (FlatLength - length)); slot++)
        {
            int best = family.BestShorter(slot, RowsLength, FlatLength);
            values = best == _values[values + (slot & (Width - 1))] ? values : _values.Replace(values, Width, slot & (Width - 1), best);
        }

        if (!_values.Block(values, Width).ContainsAnyExcept(NoValue))
        {
            _values.Release(values, Width);
            values = 0;
        }

        SetRow(family, start >> PrefixRow.Stride, row with { Shorter = values });
    }

    /// <summary>Copies what has changed since the last publication into the leaves.</summary>
    private void RenewLeaves()
    {
        Span<int> entries = stackalloc int[PrefixLeaves.Width];
        while (_leaves.TryTakeChanged(out int area))
        {
            PrefixFamily family = area >> PrefixLeaves.AreaLength == _ipv4.Number ? _ipv4 : _ipv6;
            int first = (area & ((1 << PrefixLeaves.AreaLength) - 1)) * SlotsOfArea;
            PrefixRow row = RowAt(family, first >> PrefixRow.Stride);
            for (int i = 0; i < SlotsOfArea; i++)
            {
                int column = (first + i) & (Width - 1);
                _trie.Spread(_nodes[row.Nodes + column], _values[row.Shorter + column], entries.Slice(i * (PrefixLeaves.Width / SlotsOfArea), PrefixLeaves.Width / SlotsOfArea));
            }

            _leaves.Set(area, entries);
        }
    }

    /// <summary>
    /// A prefix comes before all longer ones and those before the next address, so at each address: its own prefixes by length, then what is below.
    /// </summary>
    private IEnumerable<KeyValuePair<IpPrefix, int>> Enumerate(PrefixFamily family)
    {
        for (int slot = 0; slot < 1 << FlatLength; slot++)
        {
            UInt128 bits = (UInt128)slot << (IpPrefix.MaxLength - FlatLength);
            for (int length = PrefixTrie.ShortestLength(slot, FlatLength); length < FlatLength; length++)
            {
                int value = family.ShorterAt(slot, length);
                if (value >= 0)
                {
                    yield return new(family.PrefixOf(bits, length), value);
                }
            }

            PrefixRow row = RowAt(family, slot >> PrefixRow.Stride);
            if (row.Nodes == 0 && row.Shorter == 0)
            {
                slot |= Width - 1; // Shorter prefixes begin at the row's first slot only.
                continue;
            }

            PrefixNode node = FirstNode(family, bits);
            foreach ((UInt128 address, int length, int value) in node.IsEmpty ? [] : _trie.Enumerate(node, bits, FlatLength))
            {
                yield return new(family.PrefixOf(address, length), value);
            }
        }
    }

    /// <summary>The first 19 bits.</summary>
    private static int Slot(UInt128 bits) => (int)(bits >> (IpPrefix.MaxLength - FlatLength));
}
