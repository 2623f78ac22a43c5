using System.Collections.Immutable;
using System.Numerics;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Parts that several records have: maps of text, and CIDRs whose mask is base64 of its bytes.</summary>
internal static class RecordText
{
    public static IReadOnlyDictionary<string, string> Map(Dictionary<string, string?>? raw) =>
        raw is null or { Count: 0 } ? ImmutableDictionary<string, string>.Empty : raw.ToDictionary(p => p.Key, p => p.Value ?? "");

    /// <summary>Go's net.IPNet: the mask has the length of the address's family, its ones are at the front.</summary>
    public static bool TryReadCidr(string field, RawCidr raw, out IpPrefix cidr, out string mistake)
    {
        cidr = default;
        if (!IpAddress.TryParse(raw.Ip, out IpAddress address))
        {
            mistake = $"{field}: {Shown.Quote(raw.Ip)} is no IP address";
            return false;
        }

        return TryReadMask(field, address, raw.Mask ?? "", out cidr, out mistake);
    }

    public static bool TryReadMask(string field, IpAddress address, string base64, out IpPrefix cidr, out string mistake)
    {
        cidr = default;
        mistake = "";
        Span<byte> mask = stackalloc byte[IpAddress.Length];
        if (base64.Length > 24 || !Convert.TryFromBase64String(base64, mask, out int length))
        {
            mistake = $"{field}: mask {Shown.Quote(base64)} is not base64 of a mask";
            return false;
        }

        mask = mask[..length];
        int ones = 0;
        foreach (byte part in mask)
        {
            ones += Math.Min(8, BitOperations.LeadingZeroCount((uint)(byte)~part << 24));
            if (part != 0xFF)
            {
                break;
            }
        }

        if (length != (address.IsIpv4 ? 4 : IpAddress.Length) || !mask.SequenceEqual(MaskOf(ones, length)))
        {
            mistake = $"{field}: mask {Shown.Quote(base64)} is no mask for {address}";
            return false;
        }

        cidr = IpPrefix.Containing(address, ones);
        return true;
    }

    public static string MaskText(IpPrefix cidr) => Convert.ToBase64String(MaskOf(cidr.FamilyLength, cidr.IsIpv4 ? 4 : IpAddress.Length));

    public static void WriteCidr(GoJsonWriter json, IpPrefix? cidr)
    {
        if (cidr is IpPrefix known)
        {
            json.Begin().Name("IP").Text(known.Address.ToString()).Name("Mask").Text(MaskText(known)).End();
        }
        else
        {
            json.Null();
        }
    }

    private static byte[] MaskOf(int ones, int length)
    {
        byte[] mask = new byte[length];
        for (int i = 0; i < length; i++)
        {
            int bits = Math.Clamp(ones - (8 * i), 0, 8);
            mask[i] = (byte)(0xFF00 >> bits);
        }

        return mask;
    }
}
