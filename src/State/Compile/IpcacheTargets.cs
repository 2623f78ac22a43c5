using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.State.Compile;

/// <summary>
/// The targets of the ipcache's prefixes, each once however many prefixes lead to it. A number that is free again is only given away when no
/// snapshot is read any more that knows it by its old meaning.
/// </summary>
internal sealed class IpcacheTargets
{
    private readonly Dictionary<IpcacheTarget, int> _numberOf = [];
    private readonly Queue<(long Version, int Number)> _resting = new();
    private readonly Stack<int> _free = new();
    private IpcacheTarget[] _targets = new IpcacheTarget[16];
    private int[] _useCounts = new int[16];
    private int _count;

    /// <summary>For a snapshot: what it can reach in it is not written again while it is read.</summary>
    public IpcacheTarget[] Targets => _targets;

    public IpcacheTarget this[int number] => _targets[number];

    public int Take(in IpcacheTarget target)
    {
        if (!_numberOf.TryGetValue(target, out int number))
        {
            number = _free.Count > 0 ? _free.Pop() : _count++;
            if (number == _targets.Length)
            {
                Array.Resize(ref _targets, number * 2);
                Array.Resize(ref _useCounts, number * 2);
            }

            _targets[number] = target;
            _numberOf.Add(target, number);
        }

        _useCounts[number]++;
        return number;
    }

    /// <param name="version">Of the prefixes published last: snapshots up to it may still lead here.</param>
    public void Release(int number, long version)
    {
        if (--_useCounts[number] == 0)
        {
            _numberOf.Remove(_targets[number]);
            _resting.Enqueue((version, number));
        }
    }

    /// <summary>Numbers that only snapshots before this version knew can be given away.</summary>
    public void Reclaim(long oldestVersionInUse)
    {
        while (_resting.TryPeek(out (long Version, int Number) oldest) && oldest.Version < oldestVersionInUse)
        {
            _resting.Dequeue();
            _free.Push(oldest.Number);
        }
    }
}
