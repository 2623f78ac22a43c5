namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What packets change: flow state, neighbours, counters. All of it is taken at start and owned by one worker.</summary>
public sealed class LiveTables
{
    internal const int FragmentCapacity = 8192;
    private const int NeighborCapacity = 4096;
    private const int NeighborNewsCapacity = 256;
    private const int OutboxSlots = 64;

    /// <summary>Another seed for the limits of sources, so that the dice of the flows stay as they are.</summary>
    private const ulong SourceSalt = 0x736F_7572_6365_7320;

    /// <summary>What one packet and its answer can need, and more.</summary>
    private const int CopyCapacity = 16;

    /// <summary>A packet that waits, a question for its neighbour, an ICMP answer; each slot takes the longest frame.</summary>
    private const int CopyOutboxSlots = 4;

    /// <summary>Cilium's default (bpf-lb-affinity-map-max).</summary>
    public const int DefaultAffinityCapacity = 65_536;

    /// <param name="seed">Of the hashes and the dice: from the system's entropy in production, fixed in tests and replays.</param>
    /// <param name="hasShortcut">Established flows go round the stages; nobody can tell but by the time it takes.</param>
    /// <param name="fragments">What becomes of fragments.</param>
    /// <param name="homes">Null where there is one worker.</param>
    /// <param name="worker">Whose tables these are.</param>
    /// <param name="memory">Of these sizes, and perhaps with what another process left: then <see cref="FlowRecovery"/> has to look through it first. Null for memory of our own.</param>
    /// <param name="sources">What each source may have, of all workers together; null for no limits.</param>
    /// <param name="newFlowsUnderLoad">New flows a second of each port that pass however far the worker is behind; 0 for a worker that takes all.</param>
    public LiveTables(
        int conntrackCapacity, int snatCapacity, ulong seed, bool hasShortcut = true, FragmentMode fragments = FragmentMode.Follow, int affinityCapacity = DefaultAffinityCapacity,
        FlowHomes? homes = null, int worker = 0, FlowMemory? memory = null,
        SourceLimitRules? sources = null, int newFlowsUnderLoad = 0)
    {
        Random = new FlowRandom(seed);
        Conntrack = new ConntrackTable(
            conntrackCapacity, Random.Next(), memory?.Conntrack,
            sources is { AreOn: true } ? new SourceLimits(sources.Share(homes?.WorkerCount ?? 1), new FlowRandom(seed ^ SourceSalt).Next()) : null)
        {
            Gate = newFlowsUnderLoad > 0 ? new NewFlowGate(newFlowsUnderLoad) : null,
        };
        Snat = new SnatTable(snatCapacity, Random.Next(), homes, worker, memory?.Snat);
        Fragments = new FragmentTable(FragmentCapacity, Random.Next(), fragments, memory?.Fragments, Counters);
        Garbage = new GarbageCollection(Conntrack, Snat);
        Outbox = new Outbox(OutboxSlots);
        Neighbors = new NeighborTable(NeighborCapacity, Outbox, Random.Next(), homes is null ? 0 : NeighborNewsCapacity);
        Shortcuts = new ShortcutTable(hasShortcut ? conntrackCapacity / 2 : 0, new FlowRandom(~seed).Next()); // the dice of the flows stay as they are
        Affinities = new AffinityTable(affinityCapacity, seed, memory?.Affinities);
    }

    /// <summary>A bed for copies of some of another's flow state: its dice stand where the other's stand, the rest is small and empty.</summary>
    /// <param name="held">For whom packets wait there, and by which port they came.</param>
    /// <param name="dice">Where the dice stand.</param>
    public LiveTables(LiveTables original, ConntrackTable conntrack, SnatTable snat, ReadOnlySpan<(Wire.IpAddress Neighbor, int Ingress)> held, ulong dice)
    {
        Random = new FlowRandom(dice);
        Conntrack = conntrack;
        Snat = snat;
        Fragments = new FragmentTable(CopyCapacity, seed: 0, original.Fragments.Mode, counters: Counters);
        Garbage = new GarbageCollection(conntrack, snat);
        Outbox = new Outbox(original.Outbox, held, CopyOutboxSlots);
        Neighbors = new NeighborTable(CopyCapacity, Outbox, seed: 0);
        Shortcuts = new ShortcutTable(0, seed: 0);
        Affinities = new AffinityTable(CopyCapacity, seed: 0);
    }

    public FlowRandom Random { get; }

    public ConntrackTable Conntrack { get; }

    public SnatTable Snat { get; }

    public AffinityTable Affinities { get; }

    public FragmentTable Fragments { get; }

    public GarbageCollection Garbage { get; }

    public NeighborTable Neighbors { get; }

    public ShortcutTable Shortcuts { get; }

    public Outbox Outbox { get; }

    public IcmpLimiter Icmp { get; } = new();

    public DatapathCounters Counters { get; } = new();
}
