namespace ClusterMesh.Datapath.Wire;

/// <summary>
/// What a rewrite changes in a one's complement sum: the sum of all ~old + new words, by which a checksum is repaired without
/// reading the packet (RFC 1624 equation 3).
/// </summary>
public readonly record struct ChecksumDelta(uint Sum)
{
    public static ChecksumDelta Between(ushort old, ushort changed) => new((uint)(ushort)~old + changed);

    /// <summary>Works for both families: the words that IPv4-mapped addresses share cancel out.</summary>
    public static ChecksumDelta Between(IpAddress old, IpAddress changed) =>
        new(InternetChecksum.Fold(Words(~old.High) + Words(~old.Low) + Words(changed.High) + Words(changed.Low)));

    public static ChecksumDelta operator +(ChecksumDelta left, ChecksumDelta right) => new(InternetChecksum.Fold(left.Sum + right.Sum));

    public static ChecksumDelta Add(ChecksumDelta left, ChecksumDelta right) => left + right;

    /// <summary>Repairs a complete checksum field.</summary>
    public ushort ApplyTo(ushort checksum) => (ushort)~InternetChecksum.Fold((uint)(ushort)~checksum + Sum);

    /// <summary>
    /// Repairs a partial one (virtio NEEDS_CSUM): the field holds the pseudo-header's sum itself, so only address changes count
    /// and nothing is complemented.
    /// </summary>
    public ushort ApplyToPartial(ushort sum) => (ushort)InternetChecksum.Fold(sum + Sum);

    private static uint Words(ulong value) =>
        (uint)(value >> 48) + (uint)(value >> 32 & 0xFFFF) + (uint)(value >> 16 & 0xFFFF) + (uint)(value & 0xFFFF);
}
