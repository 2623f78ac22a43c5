using System.Globalization;
using System.Text;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>
/// Frees identities that no pod of the cluster has had for a quarter of an hour, so that labels that come and go do not fill the range.
/// One agent does it at a time. A binding is not deleted but marked and put on a lease of half an hour: until that ends, the labels get
/// their number back and nobody else gets it, so that no packet is judged by what its number used to mean. Times are measured, not read
/// from a clock that somebody sets; a new leader begins to count anew.
/// </summary>
/// <param name="inUse">The labels of all running pods, as text; null while the pods are not known in full.</param>
public sealed class IdentityCollector(IClusterStore store, Func<IReadOnlySet<string>?> inUse, TimeProvider time, Action<string> log)
{
    public static readonly TimeSpan Look = TimeSpan.FromMinutes(5);
    public static readonly TimeSpan UnusedFor = TimeSpan.FromMinutes(15);

    /// <summary>How long a number is kept back for the labels that had it.</summary>
    public static readonly TimeSpan Quarantine = TimeSpan.FromMinutes(30);

    /// <summary>Timestamps of when a number was first seen without a pod.</summary>
    private readonly Dictionary<uint, long> _unusedSince = [];

    /// <summary>Runs for one term as leader.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                await CollectAsync(cancellation);
            }
            catch (StoreException fault) when (fault.Fault != StoreFault.Replaced)
            {
                log($"identities: {fault.Message}");
            }

            await Task.Delay(Look, time, cancellation);
        }
    }

    /// <summary>One look at all bindings.</summary>
    /// <returns>How many were put on a lease.</returns>
    public async Task<int> CollectAsync(CancellationToken cancellation = default)
    {
        List<(uint Number, StoreEntry Entry)> due = [];
        HashSet<uint> unused = [];
        StorePage? page = null;
        do
        {
            page = await store.ListAsync(IdentityBinding.ByNumber, page, 1_000, cancellation);
            if (inUse() is not IReadOnlySet<string> used)
            {
                return 0;
            }

            foreach (StoreEntry entry in page.Entries)
            {
                if (entry.Lease == 0
                    && uint.TryParse(entry.Key.AsSpan(IdentityBinding.ByNumber.Length), NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
                    && !used.Contains(Encoding.UTF8.GetString(entry.Value.Span)))
                {
                    unused.Add(number);
                    if (!_unusedSince.TryAdd(number, time.GetTimestamp()) && time.GetElapsedTime(_unusedSince[number]) >= UnusedFor)
                    {
                        due.Add((number, entry));
                    }
                }
            }
        }
        while (page.Next is not null);

        foreach (uint number in _unusedSince.Keys.Where(n => !unused.Contains(n)).ToArray())
        {
            _unusedSince.Remove(number);
        }

        return due.Count == 0 ? 0 : await RetireAsync(due, cancellation);
    }

    private async Task<int> RetireAsync(List<(uint Number, StoreEntry Entry)> due, CancellationToken cancellation)
    {
        int count = 0;
        long lease = await store.GrantLeaseAsync(Quarantine, cancellation);
        foreach ((uint number, StoreEntry entry) in due)
        {
            string labelsKey = IdentityBinding.LabelsKey(Encoding.UTF8.GetString(entry.Value.Span));
            StoreEntry? byLabels = await store.GetAsync(labelsKey, cancellation);
            bool whole = byLabels is StoreEntry found && IdentityBinding.Parse(found.Value.Span) == new IdentityBinding(number, false);
            StoreWrite hold = new(entry.Key, entry.Value, lease, entry.Revision);
            // A number that its labels no longer lead to is held back all the same.
            StoreWrite[] writes = whole ? [new StoreWrite(labelsKey, new IdentityBinding(number, true).Write(), lease, byLabels!.Value.Revision), hold] : [hold];
            if (await store.CommitAsync(writes, cancellation))
            {
                _unusedSince.Remove(number);
                count++;
            }
        }

        if (count > 0)
        {
            log($"identities: {count} that no pod has had for {UnusedFor.TotalMinutes:0} minutes are given free in {Quarantine.TotalMinutes:0} minutes");
        }

        return count;
    }
}
