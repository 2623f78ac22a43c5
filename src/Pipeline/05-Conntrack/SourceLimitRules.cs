namespace ClusterMesh.Datapath.Pipeline;

/// <summary>How many flows each source may have, and begin in a second; 0 is no limit. Fixed at start.</summary>
public sealed record SourceLimitRules
{
    /// <summary>Bits of an address of the node network that make a source.</summary>
    public const int DefaultIpv4PrefixLength = 32;

    /// <summary>One subscriber's network (RFC 6177): whoever has it has all its addresses.</summary>
    public const int DefaultIpv6PrefixLength = 64;

    public static SourceLimitRules None { get; } = new();

    /// <summary>Flows of each pod of this node at once.</summary>
    public int PodFlowCount { get; init; }

    /// <summary>Flows that each pod of this node begins in a second.</summary>
    public int PodNewPerSecond { get; init; }

    /// <summary>The same of each prefix that speaks by the uplink.</summary>
    public int OuterFlowCount { get; init; }

    public int OuterNewPerSecond { get; init; }

    public int Ipv4PrefixLength { get; init; } = DefaultIpv4PrefixLength;

    public int Ipv6PrefixLength { get; init; } = DefaultIpv6PrefixLength;

    /// <summary>Something is limited.</summary>
    public bool AreOn => (PodFlowCount | PodNewPerSecond | OuterFlowCount | OuterNewPerSecond) != 0;

    /// <summary>What one of so many workers lets through, so that all together let no more through than these say, or one for each worker.</summary>
    public SourceLimitRules Share(int workerCount) => this with
    {
        PodFlowCount = Share(PodFlowCount, workerCount),
        PodNewPerSecond = Share(PodNewPerSecond, workerCount),
        OuterFlowCount = Share(OuterFlowCount, workerCount),
        OuterNewPerSecond = Share(OuterNewPerSecond, workerCount),
    };

    private static int Share(int all, int workerCount) => (int)(((long)all + workerCount - 1) / workerCount);
}
