using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// A backend that is no longer wanted keeps its flows for a while and gets no new ones. Without that, a flow in the midst of a request is
/// sent to a backend that knows nothing of it; other clusters only hear that a backend is gone, never that it is going. The backends of a
/// cluster that is disconnected go at once. One caller at a time; when it is time to leave one out, the caller is woken to ask again.
/// </summary>
internal sealed class BackendDrain : IDisposable
{
    private const string Going = "terminating-not-serving";

    private readonly Dictionary<(string Service, string Address, int Port), (BackendDocument Backend, DateTimeOffset End)> _going = [];
    private Dictionary<string, IReadOnlyList<BackendDocument>> _before = [];

    private readonly TimeSpan _patience;
    private readonly TimeProvider _time;
    private readonly ITimer _waking;

    public BackendDrain(TimeSpan patience, TimeProvider time, Action wake)
    {
        (_patience, _time) = (patience, time);
        _waking = time.CreateTimer(_ => wake(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _waking.Dispose();

    /// <param name="wanted">Services with the backends that they have now.</param>
    /// <param name="isOfMesh">Whether a cluster is the own one or connected.</param>
    /// <returns>The same with those that are going.</returns>
    public ChangeDocument Apply(ChangeDocument wanted, Func<string, bool> isOfMesh)
    {
        if (_patience <= TimeSpan.Zero)
        {
            return wanted;
        }

        DateTimeOffset now = _time.GetUtcNow();
        Dictionary<string, IReadOnlyList<BackendDocument>> services = wanted.Services!.ToDictionary(s => s.Name, s => s.Backends);
        foreach ((string service, IReadOnlyList<BackendDocument> backends) in _before)
        {
            foreach (BackendDocument backend in backends)
            {
                _going.TryAdd((service, backend.Address, backend.Port), (backend with { State = Going }, now + _patience));
            }
        }

        foreach ((string service, IReadOnlyList<BackendDocument> backends) in services)
        {
            foreach (BackendDocument backend in backends)
            {
                _going.Remove((service, backend.Address, backend.Port));
            }
        }

        foreach (((string Service, string Address, int Port) key, (BackendDocument backend, DateTimeOffset end)) in _going.ToArray())
        {
            if (end <= now || !services.ContainsKey(key.Service) || (backend.Cluster is string cluster && !isOfMesh(cluster)))
            {
                _going.Remove(key);
            }
        }

        if (_going.Count > 0)
        {
            // A timer may be a little early; then it is set once more.
            TimeSpan left = _going.Values.Min(g => g.End) - now;
            _waking.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }

        _before = services;
        ILookup<string, BackendDocument> going = _going.ToLookup(g => g.Key.Service, g => g.Value.Backend);
        return going.Count == 0
            ? wanted
            : wanted with { Services = [.. wanted.Services!.Select(s => going.Contains(s.Name) ? s with { Backends = [.. s.Backends, .. going[s.Name]] } : s)] };
    }
}
