namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>lab/bench/plan.json: the worlds that are measured, the measures, and what is wanted of them.</summary>
internal sealed record Plan(World[] Worlds, Measure[] Measures);

/// <summary>One network with something that forwards in it. <see cref="SizeOf"/> names the world that differs from it only in having fewer services and flows.
/// <see cref="ComparedWith"/> names the only worlds that it is compared with, where those are others than usual. <see cref="ObservedOf"/> the one that differs from it only in that nobody listens to its flow events.</summary>
internal sealed record World(string Name, string Kind, string? SizeOf, string? ObservedOf = null, string[]? ComparedWith = null)
{
    /// <summary>Whether it is this project's datapath, which targets are for.</summary>
    public bool IsOurs => Kind == "datapath";
}

internal sealed record Measure(string Name, string Title, Figure[] Figures);

/// <summary>A number that a measure gives. <see cref="Exceptions"/> holds, by world, targets that replace or join <see cref="Targets"/>.</summary>
internal sealed record Figure(string Name, string Unit, string Better, Dictionary<string, double>? Targets, Dictionary<string, Dictionary<string, double>>? Exceptions)
{
    public bool MoreIsBetter => Better == "more";

    /// <summary>By what it is compared with: a world's name, "size" for the same world with one service and no idle flows, "unobserved" for the one without listeners, "most" for a plain number.</summary>
    public IReadOnlyDictionary<string, double> TargetsFor(World world)
    {
        // Targets of worlds that this one is not compared with are not its own.
        Dictionary<string, double> targets = new((Targets ?? []).Where(t => world.ComparedWith is null || t.Key == "most"));
        foreach ((string of, double bound) in Exceptions?.GetValueOrDefault(world.Name) ?? [])
        {
            targets[of] = bound;
        }

        return targets;
    }
}
