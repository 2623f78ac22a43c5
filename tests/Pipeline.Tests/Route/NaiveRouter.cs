using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>The naive twin of the prefix table: a sorted list, searched from end to end.</summary>
internal sealed class NaiveRouter
{
    private readonly SortedList<IpPrefix, int> _entries = [];

    public int Count => _entries.Count;

    public IEnumerable<KeyValuePair<IpPrefix, int>> Entries => _entries;

    public IpPrefix Any(int at) => _entries.GetKeyAtIndex(at);

    public NaiveRouter Copy()
    {
        NaiveRouter copy = new();
        foreach (KeyValuePair<IpPrefix, int> entry in _entries)
        {
            copy._entries.Add(entry.Key, entry.Value);
        }

        return copy;
    }

    public bool Set(IpPrefix prefix, int value)
    {
        bool added = !_entries.ContainsKey(prefix);
        _entries[prefix] = value;
        return added;
    }

    public bool Remove(IpPrefix prefix) => _entries.Remove(prefix);

    public bool TryGet(IpPrefix prefix, out int value)
    {
        bool held = _entries.TryGetValue(prefix, out value);
        value = held ? value : -1;
        return held;
    }

    public void AssertSame(PrefixMap map, IpAddress address, string where)
    {
        int longest = -1;
        int wanted = -1;
        foreach ((IpPrefix prefix, int value) in _entries)
        {
            if (prefix.Length > longest && prefix.Contains(address))
            {
                longest = prefix.Length;
                wanted = value;
            }
        }

        bool found = map.TryLookup(address, out int got);
        Assert.True(found == longest >= 0 && got == wanted, $"{where}: {address} gave {(found ? got : "nothing")}, wanted {wanted} of length {longest}");
    }
}
