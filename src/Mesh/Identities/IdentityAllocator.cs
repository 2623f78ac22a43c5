using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>
/// Gives equal labels one number in the whole cluster, for good: labels and number are bound in the store by one commit that both must be
/// free for. The first number tried comes from the labels themselves, so that even an empty store gives mostly the same numbers again.
/// </summary>
public sealed class IdentityAllocator(IClusterStore store, IdentityRange range)
{
    private const string ByLabels = "cmesh/identities/v1/labels/";
    private const string ByNumber = "cmesh/identities/v1/id/";

    /// <summary>Numbers that are looked at before the range counts as full.</summary>
    private const int MostTries = 4_096;

    /// <summary>What was given never changes, so it may be remembered.</summary>
    private readonly Dictionary<string, uint> _known = new(StringComparer.Ordinal);

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

        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(labels.Text));
        string byLabels = ByLabels + Convert.ToHexStringLower(hash);
        // As in Cilium, the first 256 numbers of a cluster stay free.
        uint first = range.First < IdentityRange.FirstAllocated + 1 ? range.First : range.First + IdentityRange.FirstAllocated;
        uint size = range.Last - first + 1;
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(hash) % size;
        for (uint tries = 0; tries < MostTries && tries < size; tries++)
        {
            StoreEntry? bound = await store.GetAsync(byLabels, cancellation);
            if (bound is not null && uint.TryParse(bound.Value.Value.Span, NumberStyles.None, CultureInfo.InvariantCulture, out uint given) && range.Contains(given))
            {
                return Remember(labels, given);
            }

            uint candidate = first + ((offset + tries) % size);
            string byNumber = ByNumber + candidate.ToString(CultureInfo.InvariantCulture);
            bool bind = await store.CommitAsync(
            [
                new StoreWrite(byLabels, Encoding.ASCII.GetBytes(candidate.ToString(CultureInfo.InvariantCulture)), Expected: bound?.Revision ?? 0),
                new StoreWrite(byNumber, labels.Write(), Expected: 0),
            ], cancellation);
            if (bind)
            {
                return Remember(labels, candidate);
            }
        }

        throw new StoreException(StoreFault.Refused, $"no identity is free within {range}; are there labels that differ from pod to pod?");
    }

    private uint Remember(IdentityLabels labels, uint number)
    {
        lock (_known)
        {
            return _known[labels.Text] = number;
        }
    }
}
