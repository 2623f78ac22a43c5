using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Tells backends of one service that stand at the same address and port. A few are compared with each other: a set for each service would be most of a large change.</summary>
public readonly struct BackendPlaces
{
    private const int MostCompared = 16;

    private readonly HashSet<(IpAddress Address, ushort Port)>? _seen;

    /// <param name="count">Of the service's backends.</param>
    public BackendPlaces(int count) => _seen = count > MostCompared ? new(count) : null;

    /// <summary>False if the backend stands where one of those before it does.</summary>
    /// <param name="before">All that were added; perhaps more behind them.</param>
    /// <param name="backend">The next one.</param>
    /// <param name="beforeCount">How many were added; -1 for all that are in the list.</param>
    public bool Add(IReadOnlyList<BackendSpec> before, BackendSpec backend, int beforeCount = -1)
    {
        if (_seen is not null)
        {
            return _seen.Add((backend.Address, backend.Port));
        }

        int count = beforeCount < 0 ? before.Count : beforeCount;
        for (int i = 0; i < count; i++)
        {
            if (before[i].Address == backend.Address && before[i].Port == backend.Port)
            {
                return false;
            }
        }

        return true;
    }
}
