using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>The offloads of a port as people write them: on, off, or names with commas between.</summary>
internal static class OffloadText
{
    private const string On = "on";
    private const string Off = "off";

    private static readonly (string Name, TapOffloads Offload)[] s_names =
    [
        ("checksum", TapOffloads.Checksum), ("tso4", TapOffloads.TcpIpv4), ("tso6", TapOffloads.TcpIpv6), ("ecn", TapOffloads.TcpEcn),
        ("uso4", TapOffloads.UdpIpv4), ("uso6", TapOffloads.UdpIpv6),
    ];

    public static TapOffloads Parse(string? text, Place place)
    {
        if (text is null or On or Off)
        {
            return text == Off ? TapOffloads.None : TapOffloads.All;
        }

        TapOffloads offloads = TapOffloads.None;
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            int index = Array.FindIndex(s_names, n => n.Name == name);
            offloads |= index >= 0
                ? s_names[index].Offload
                : throw place.Refuse($"{ValueText.Quote(name)} is no offload; use on, off, or some of {string.Join(", ", s_names.Select(n => n.Name))} with commas between");
        }

        // The kernel's own conditions (set_offload of drivers/net/tun.c).
        const TapOffloads Tcp = TapOffloads.TcpIpv4 | TapOffloads.TcpIpv6;
        const TapOffloads Udp = TapOffloads.UdpIpv4 | TapOffloads.UdpIpv6;
        string? lack = (offloads & TapOffloads.Checksum) == 0 ? "the others need checksum; add it"
            : (offloads & Udp) is not (TapOffloads.None or Udp) ? "uso4 and uso6 go together; give both or none"
            : (offloads & TapOffloads.TcpEcn) != 0 && (offloads & Tcp) == 0 ? "ecn needs tso4 or tso6; add one"
            : null;
        return lack is null ? offloads : throw place.Refuse(lack);
    }

    public static string Write(TapOffloads offloads) => offloads switch
    {
        TapOffloads.All => On,
        TapOffloads.None => Off,
        _ => string.Join(",", s_names.Where(n => (offloads & n.Offload) != 0).Select(n => n.Name)),
    };
}
