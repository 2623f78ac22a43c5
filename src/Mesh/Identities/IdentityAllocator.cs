using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>
/// Gives equal labels one number in the whole cluster: labels and number are bound in the store by one commit that both must be free for.
/// The first number tried is the one that the labels had before, else one that comes from the labels themselves, so that even an empty
/// store gives mostly the same numbers again.
/// </summary>
/// <param name="before">Numbers that labels had in the store before this one, by the labels' text: they are tried first.</param>
public sealed class IdentityAllocator(IClusterStore store, IdentityRange range, IReadOnlyDictionary<string, uint>? before = null)
{
    /// <summary>Numbers that are looked at before the range counts as full.</summary>
    private const int MostTries = 4_096;

    /// <summary>Bindings that were read or made, until the store tells that they have changed. Guarded by itself.</summary>
    private readonly Dictionary<string, uint> _known = new(StringComparer.Ordinal);

    /// <summary>The labels of each known binding's key. Guarded by <see cref="_known"/>.</summary>
    private readonly Dictionary<string, string> _labelsOfKey = new(StringComparer.Ordinal);

    /// <summary>What is bound, as far as it was asked for: labels' text to number.</summary>
    public IReadOnlyDictionary<string, uint> Known
    {
        get
        {
            lock (_known)
            {
                return new Dictionary<string, uint>(_known, StringComparer.Ordinal);
            }
        }
    }

    /// <exception cref="StoreException">The store is away, or no number is free.</exception>
    public async Task<uint> AllocateAsync(IdentityLabels labels, CancellationToken cancellation = default)
    {
        lock (_known)
        {
            if (_known.TryGetValue(labels.Text, out uint remembered))
            {
                return remembered;
            }
        }

        string byLabels = IdentityBinding.LabelsKey(labels.Text);
        using IEnumerator<uint> candidates = Candidates(labels).GetEnumerator();
        while (true)
        {
            StoreEntry? entry = await store.GetAsync(byLabels, cancellation);
            IdentityBinding? bound = entry is StoreEntry present ? IdentityBinding.Parse(present.Value.Span) : null;
            IdentityBinding wanted;
            StoreWrite byNumber;
            if (bound is IdentityBinding given && range.Contains(given.Number))
            {
                if (!given.IsUnused)
                {
                    return Remember(labels, byLabels, given.Number);
                }

                // Taken back before its lease has ended. The other key hangs on the same lease, so it is there as long as this one.
                wanted = given with { IsUnused = false };
                byNumber = new StoreWrite(IdentityBinding.NumberKey(given.Number), labels.Write());
            }
            else if (candidates.MoveNext())
            {
                wanted = new IdentityBinding(candidates.Current, false);
                byNumber = new StoreWrite(IdentityBinding.NumberKey(candidates.Current), labels.Write(), Expected: 0);
            }
            else
            {
                throw new StoreException(StoreFault.Refused, $"no identity is free within {range}; are there labels that differ from pod to pod?");
            }

            if (await store.CommitAsync([new StoreWrite(byLabels, wanted.Write(), Expected: entry?.Revision ?? 0), byNumber], cancellation))
            {
                return Remember(labels, byLabels, wanted.Number);
            }
        }
    }

    /// <summary>
    /// Follows the bindings: one that somebody marks as unused or that is gone is asked for anew at its next use. Runs until cancelled.
    /// </summary>
    /// <param name="changed">Called when a binding that was given out here is no longer what it was.</param>
    public Task FollowAsync(TimeProvider time, Action changed, CancellationToken cancellation) => new PrefixReader(time, changes =>
    {
        bool any = false;
        lock (_known)
        {
            foreach (StoreChange change in changes)
            {
                string key = IdentityBinding.ByLabels + change.Key;
                if (_labelsOfKey.TryGetValue(key, out string? labels)
                    && (change.Value is not ReadOnlyMemory<byte> value || IdentityBinding.Parse(value.Span) != new IdentityBinding(_known[labels], false)))
                {
                    _known.Remove(labels);
                    _labelsOfKey.Remove(key);
                    any = true;
                }
            }
        }

        if (any)
        {
            changed();
        }

        return [];
    }).RunAsync(store, IdentityBinding.ByLabels, cancellation);

    private IEnumerable<uint> Candidates(IdentityLabels labels)
    {
        if (before is not null && before.TryGetValue(labels.Text, out uint had) && range.Contains(had))
        {
            yield return had;
        }

        // As in Cilium, the first 256 numbers of a cluster stay free.
        uint first = range.First < IdentityRange.FirstAllocated + 1 ? range.First : range.First + IdentityRange.FirstAllocated;
        uint size = range.Last - first + 1;
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(labels.Text))) % size;
        for (uint tries = 0; tries < MostTries && tries < size; tries++)
        {
            yield return first + ((offset + tries) % size);
        }
    }

    private uint Remember(IdentityLabels labels, string byLabels, uint number)
    {
        lock (_known)
        {
            _labelsOfKey[byLabels] = labels.Text;
            return _known[labels.Text] = number;
        }
    }
}
