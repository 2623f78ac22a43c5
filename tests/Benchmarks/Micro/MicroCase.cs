namespace ClusterMesh.Datapath.Benchmarks.Micro;

/// <summary>One small thing to measure. What is measured and what must not allocate is the same code.</summary>
/// <param name="Prepare">Fills the tables and gives the work: <see cref="OperationCount"/> operations, whose sum keeps them from being left out.</param>
public sealed record MicroCase(string Name, Func<Func<long>> Prepare)
{
    public const int OperationCount = 1 << 16;

    public override string ToString() => Name;
}
