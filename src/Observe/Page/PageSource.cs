using ClusterMesh.Datapath.Observe.Store;

namespace ClusterMesh.Datapath.Observe.Page;

/// <summary>Where the page's figures come from. A state and a map are made at most once a second, however many look.</summary>
internal sealed class PageSource(FlowStore store, ObserverNode node, Func<PageState> read, TimeProvider clock)
{
    private static readonly TimeSpan s_age = TimeSpan.FromMilliseconds(900);

    private readonly Lock _stateGate = new();
    private readonly Lock _mapGate = new();
    private (long At, PageState State)? _state; // guarded by _stateGate
    private (long At, int Seconds, FlowMap Map)? _map; // guarded by _mapGate

    public FlowStore Store => store;

    public ObserverNode Node => node;

    public TimeProvider Clock => clock;

    public PageState State()
    {
        lock (_stateGate)
        {
            if (_state is not { } known || clock.GetElapsedTime(known.At) > s_age)
            {
                _state = known = (clock.GetTimestamp(), read());
            }

            return known.State;
        }
    }

    public FlowMap Map(int seconds)
    {
        lock (_mapGate)
        {
            if (_map is not { } known || known.Seconds != seconds || clock.GetElapsedTime(known.At) > s_age)
            {
                long since = ((clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks - seconds * TimeSpan.TicksPerSecond) * 100;
                _map = known = (clock.GetTimestamp(), seconds, FlowMap.Read(store, node, since));
            }

            return known.Map;
        }
    }
}
