namespace ClusterMesh.Datapath.Observe.Filters;

/// <summary>Searches with an argument instead of a closure: a filter looks at every event and makes no object for one.</summary>
internal static class Matching
{
    public static bool Any<T, TArgument>(IReadOnlyList<T> items, TArgument argument, Func<T, TArgument, bool> matches)
    {
        for (int i = 0; i < items.Count; i++)
        {
            if (matches(items[i], argument))
            {
                return true;
            }
        }

        return false;
    }

    public static bool All<T, TArgument>(IReadOnlyList<T> items, TArgument argument, Func<T, TArgument, bool> matches)
    {
        for (int i = 0; i < items.Count; i++)
        {
            if (!matches(items[i], argument))
            {
                return false;
            }
        }

        return true;
    }
}
