using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// The shortcuts of established flows, by the flow as it comes in. A cache: what is not here takes the stages, and when it is full the oldest
/// place is used again. Everything in it dies at once with the configuration it was made under. One owner: the worker.
/// </summary>
public sealed class ShortcutTable
{
    private readonly ShortcutEntry[] _entries;
    private readonly FlowIndex _index;
    private readonly ulong _seed;
    private int _next;
    private uint _epoch = 1;
    private Snapshot? _snapshot;
    private uint _conntrackEra;

    /// <param name="capacity">Directions of flows; 0 for none, and every packet takes the stages.</param>
    public ShortcutTable(int capacity, ulong seed)
    {
        _entries = new ShortcutEntry[capacity];
        _index = new FlowIndex(capacity);
        Enable(true);
        _seed = seed;
        Array.Fill(_entries, default); // Brings the memory in now, not while packets wait.
    }

    /// <summary>False where there are no shortcuts, and while every packet is told of: then all take the stages.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>Whether shortcuts are taken, where there are any.</summary>
    public void Enable(bool isEnabled) => IsEnabled = isEnabled && _entries.Length > 0;

    /// <summary>Bytes held, all since construction.</summary>
    public long MemoryLength => ((long)_entries.Length * ShortcutEntry.Length) + _index.MemoryLength;

    /// <summary>Packets that took a shortcut.</summary>
    public ulong TakenCount { get; set; }

    public ref readonly ShortcutEntry this[int index] => ref _entries[index];

    /// <summary>
    /// Before each burst: under another configuration, or when generations begin anew, all shortcuts are worth nothing.
    /// </summary>
    public void Enter(Snapshot snapshot, ConntrackTable conntrack)
    {
        if (ReferenceEquals(snapshot, _snapshot) && conntrack.Era == _conntrackEra)
        {
            return;
        }

        _snapshot = snapshot;
        _conntrackEra = conntrack.Era;
        if (++_epoch == 0)
        {
            Array.Clear(_entries); // Four thousand million changes ago some had this number.
            _index.Clear();
            _next = 0;
            _epoch = 1;
        }
    }

    public ulong HashOf(in FlowKey key) => key.Hash(_seed);

    public void PrefetchSlot(ulong hash) => _index.PrefetchSlot(hash);

    /// <summary>The entry that is probably the key's, or -1; its memory is asked for.</summary>
    public int Candidate(ulong hash)
    {
        int slot = _index.FirstSlot(hash);
        int entry = _index.NextCandidate(hash, ref slot);
        if (entry >= 0)
        {
            Prefetch.Item(in _entries[entry]);
        }

        return entry;
    }

    /// <summary>Whether the candidate is the key's and holds under the configuration entered.</summary>
    public bool Holds(int candidate, in FlowKey key) => candidate >= 0 && _entries[candidate].Epoch == _epoch && _entries[candidate].Key == key;

    /// <summary>Takes an entry up, in place of the key's former one if there is one.</summary>
    public void Set(ulong hash, in ShortcutEntry entry)
    {
        int slot = _index.FirstSlot(hash);
        int index = _index.NextCandidate(hash, ref slot);
        while (index >= 0 && _entries[index].Key != entry.Key)
        {
            index = _index.NextCandidate(hash, ref slot);
        }

        if (index < 0)
        {
            index = _next;
            _next = _next + 1 == _entries.Length ? 0 : _next + 1;
            if (_entries[index].Epoch != 0)
            {
                _index.Remove(HashOf(_entries[index].Key), index);
            }

            _index.Add(hash, index);
        }

        _entries[index] = entry;
        _entries[index].Epoch = _epoch;
    }
}
