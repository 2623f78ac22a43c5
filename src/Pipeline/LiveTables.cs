namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What packets change: flow state, neighbours, counters. All of it is taken at start and owned by one worker.</summary>
public sealed class LiveTables
{
    private const int FragmentCapacity = 8192;
    private const int NeighborCapacity = 4096;
    private const int OutboxSlots = 64;

    /// <param name="seed">Of the hashes and the dice: from the system's entropy in production, fixed in tests and replays.</param>
    public LiveTables(int conntrackCapacity, int snatCapacity, ulong seed)
    {
        Random = new FlowRandom(seed);
        Conntrack = new ConntrackTable(conntrackCapacity, Random.Next());
        Snat = new SnatTable(snatCapacity, Random.Next());
        Fragments = new FragmentTable(FragmentCapacity, Random.Next());
        Outbox = new Outbox(OutboxSlots);
        Neighbors = new NeighborTable(NeighborCapacity, Outbox, Random.Next());
    }

    public FlowRandom Random { get; }

    public ConntrackTable Conntrack { get; }

    public SnatTable Snat { get; }

    public FragmentTable Fragments { get; }

    public NeighborTable Neighbors { get; }

    public Outbox Outbox { get; }

    public DatapathCounters Counters { get; } = new();
}
