namespace ClusterMesh.Datapath.Fuzz;

/// <summary>
/// One way in for what others send. An input that is refused as documented is no find; any other exception is. What an input does must not depend
/// on those before it.
/// </summary>
internal abstract class FuzzTarget : IDisposable
{
    /// <summary>As the command names it, and the folders of its inputs.</summary>
    public abstract string Name { get; }

    /// <exception cref="FuzzFinding">Something was wrong that throws nothing by itself.</exception>
    public abstract void Run(ReadOnlySpan<byte> input);

    /// <summary>Valid inputs from which others are made, by name.</summary>
    public abstract IEnumerable<(string Name, byte[] Bytes)> Seeds();

    public virtual void Dispose()
    {
    }
}
