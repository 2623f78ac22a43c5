using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary><see cref="TapSettings"/> in words that JSON has.</summary>
internal sealed record TapText(
    string Name, string Namespace, string Interface, int Mtu, string? Mac, string? Bridge, IReadOnlyList<string> Addresses, IReadOnlyList<TapText.Route> Routes,
    int Offloads, int? QueueLength, bool WithLoopback)
{
    public static TapText Of(TapSettings tap) => new(
        tap.Name, tap.Namespace, tap.Interface, tap.Mtu, tap.Mac?.ToString(), tap.Bridge, [.. tap.Addresses.Select(a => a.ToString())],
        [.. tap.Routes.Select(r => new Route(r.Prefix.ToString(), r.Via?.ToString(), r.OnLink, (int)r.Protocol, r.Source?.ToString()))], (int)tap.Offloads, tap.QueueLength, tap.WithLoopback);

    public TapSettings ToSettings() => new(Name, Namespace, Interface, Mtu)
    {
        Mac = Mac is null ? null : MacAddress.Parse(Mac),
        Bridge = Bridge,
        Addresses = [.. Addresses.Select(a => a.Split('/')).Select(a => new TapAddress(IpAddress.Parse(a[0]), int.Parse(a[1], System.Globalization.CultureInfo.InvariantCulture)))],
        Routes = [.. Routes.Select(r => new TapRoute(IpPrefix.Parse(r.Prefix), r.Via is null ? null : IpAddress.Parse(r.Via), r.OnLink, (RouteProtocol)r.Protocol,
            r.Source is null ? null : IpAddress.Parse(r.Source)))],
        Offloads = (TapOffloads)Offloads,
        QueueLength = QueueLength,
        WithLoopback = WithLoopback,
    };

    public sealed record Route(string Prefix, string? Via, bool OnLink, int Protocol, string? Source);
}
