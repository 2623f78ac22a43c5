namespace ClusterMesh.Datapath.State.Compile;

/// <summary>Room in a dictionary for a large change at once: grown step by step to its size, it would throw away as much again.</summary>
internal static class Room
{
    /// <param name="count">How many are about to come. For fewer than are there nothing is done: a dictionary then doubles by itself, but asked for little it would
    /// grow by little, and be copied at each change.</param>
    public static void For<TKey, TValue>(Dictionary<TKey, TValue> dictionary, int count)
        where TKey : notnull
    {
        if (count > dictionary.Count)
        {
            dictionary.EnsureCapacity(dictionary.Count + count);
        }
    }
}
