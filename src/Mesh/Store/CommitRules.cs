namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>What etcd would refuse, refused by the embedded store too, so that nothing works with one and fails with the other.</summary>
internal static class CommitRules
{
    private const int ValueLengthLimit = 1536 * 1024;

    public static void Check(IReadOnlyList<StoreWrite> writes)
    {
        if (writes.Count > StoreWrite.MostAtOnce)
        {
            throw new StoreException(StoreFault.Refused, $"a commit has {writes.Count} writes, more than {StoreWrite.MostAtOnce}");
        }

        if (writes.DistinctBy(w => w.Key).Count() != writes.Count)
        {
            throw new StoreException(StoreFault.Refused, "a commit writes one key twice");
        }

        foreach (StoreWrite write in writes)
        {
            if (write.Value is { Length: > ValueLengthLimit } value)
            {
                throw new StoreException(StoreFault.Refused, $"{write.Key}: the value has {value.Length} bytes, more than {ValueLengthLimit}");
            }
        }
    }
}
