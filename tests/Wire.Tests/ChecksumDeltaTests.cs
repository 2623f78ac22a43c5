using System.Buffers.Binary;
using ClusterMesh.Datapath.Testing;
using CsCheck;

namespace ClusterMesh.Datapath.Wire.Tests;

/// <summary>A repaired checksum is the one that summing the changed packet anew gives, in both families, complete and partial.</summary>
public sealed class ChecksumDeltaTests
{
    private static readonly Gen<ushort> s_edges = Gen.OneOf(Gen.UShort, Gen.Int[0, 5].Select(i => new ushort[] { 0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF }[i]));
    private static readonly Gen<IpAddress> s_ipv4 = Gen.Select(s_edges, s_edges, (a, b) => IpAddress.FromIpv4((uint)a << 16 | b));
    private static readonly Gen<IpAddress> s_ipv6 = Gen.Select(Gen.ULong, Gen.ULong, s_edges, (a, b, c) => new IpAddress(a | 1ul << 61, b ^ c));
    private static readonly Gen<(IpAddress Old, IpAddress New, IpAddress Peer)> s_addresses =
        Gen.OneOf(Gen.Select(s_ipv4, s_ipv4, s_ipv4), Gen.Select(s_ipv6, s_ipv6, s_ipv6));

    [Fact]
    public void A_changed_word_is_repaired() =>
        Gen.Select(Gen.Byte.Array[20, 80], Gen.Int[0, 9], s_edges).Sample((bytes, word, value) =>
        {
            byte[] packet = Summed(bytes);
            ushort old = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(word * 2));
            if (word == 5)
            {
                return true;
            }

            ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(10));
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(word * 2), value);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), ChecksumDelta.Between(old, value).ApplyTo(checksum));
            return NaiveChecksum.Sum(packet) is 0xFFFF or 0 && (NaiveChecksum.Sum(packet) == 0xFFFF || packet.All(b => b == 0));
        });

    [Fact]
    public void Addresses_and_ports_are_repaired_in_a_transport() =>
        Gen.Select(s_addresses, Gen.Byte.Array[20, 60], s_edges, s_edges).Sample((addresses, segment, oldPort, newPort) =>
        {
            (IpAddress old, IpAddress changed, IpAddress peer) = addresses;
            BinaryPrimitives.WriteUInt16BigEndian(segment, oldPort);
            ushort checksum = Checksum(old, peer, segment);
            ushort partial = Pseudo(old, peer, segment.Length);
            ChecksumDelta delta = ChecksumDelta.Between(old, changed);
            ushort repaired = (delta + ChecksumDelta.Between(oldPort, newPort)).ApplyTo(checksum);
            BinaryPrimitives.WriteUInt16BigEndian(segment, newPort);
            return Same(repaired, Checksum(changed, peer, segment)) && Same(delta.ApplyToPartial(partial), Pseudo(changed, peer, segment.Length));
        });

    [Fact]
    public void A_change_and_its_reverse_leave_the_checksum() =>
        Gen.Select(s_addresses, s_edges).Sample((addresses, checksum) =>
        {
            ChecksumDelta there = ChecksumDelta.Between(addresses.Old, addresses.New);
            ChecksumDelta back = ChecksumDelta.Between(addresses.New, addresses.Old);
            return Same(back.ApplyTo(there.ApplyTo(checksum)), checksum) && Same((there + back).ApplyTo(checksum), checksum)
                && default(ChecksumDelta).ApplyTo(checksum) == checksum;
        });

    /// <summary>Equal as numbers of one's complement, where 0 has two forms.</summary>
    private static bool Same(ushort a, ushort b) => a % 0xFFFF == b % 0xFFFF;

    private static byte[] Summed(byte[] bytes)
    {
        byte[] packet = bytes.Length % 2 == 0 ? bytes : bytes[..^1];
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), 0);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~NaiveChecksum.Sum(packet));
        return packet;
    }

    private static ushort Pseudo(IpAddress source, IpAddress destination, int length)
    {
        byte[] addresses = new byte[source.IsIpv4 ? 8 : 32];
        source.WriteTo(addresses.AsSpan(0, addresses.Length / 2));
        destination.WriteTo(addresses.AsSpan(addresses.Length / 2));
        return NaiveChecksum.PseudoHeader(addresses, 6, length);
    }

    private static ushort Checksum(IpAddress source, IpAddress destination, byte[] segment) =>
        (ushort)~NaiveChecksum.Sum(segment, Pseudo(source, destination, segment.Length));
}
