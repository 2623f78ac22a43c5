using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>
/// Random changes: what a writer has become by them answers exactly as a fresh one that is told the outcome at once; only ids may
/// differ, and those are never given to two objects.
/// </summary>
public sealed class RandomHistoryTests
{
    private const int ChangeCount = 150;

    private readonly Dictionary<uint, string> _frontendOf = [];
    private readonly Dictionary<uint, string> _backendOf = [];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void A_grown_configuration_answers_like_one_made_at_once(int seed)
    {
        var random = new Random(seed);
        StateWriter grown = Wanted.Writer(Wanted.DualStack);
        int refusedCount = 0;
        for (int i = 0; i < ChangeCount; i++)
        {
            Snapshot before = grown.Current;
            try
            {
                grown.Commit(random.Next(5) == 0 ? PlanDelete(grown, random) : grown.Plan(Change(random)));
                grown.Reclaim(grown.Current);
            }
            catch (ConfigurationException)
            {
                refusedCount++;
                Assert.Same(before, grown.Current);
                continue;
            }

            StateWriter fresh = Wanted.Writer(Wanted.DualStack);
            fresh.Apply(Whole(grown.Desired));
            string where = $"seed {seed}, change {i}";
            AssertSame(Describe(fresh), Describe(grown), where);
            AssertIds(grown, where);
        }

        Assert.InRange(refusedCount, 1, ChangeCount * 3 / 4);
    }

    private static StatePlan PlanDelete(StateWriter writer, Random random) => random.Next(4) switch
    {
        0 => writer.PlanDelete(ObjectKind.Endpoint, [.. writer.Desired.Endpoints.Keys.Order().Take(random.Next(3))]),
        1 => writer.PlanDelete(ObjectKind.Node, [.. writer.Desired.Nodes.Keys.Order().Take(random.Next(3))]),
        2 => writer.PlanDelete(ObjectKind.Route, [.. writer.Desired.Routes.Keys.Order().Take(random.Next(3)).Select(p => p.ToString())]),
        _ => writer.PlanDelete(ObjectKind.Service, [.. writer.Desired.Services.Keys.Order().Take(random.Next(3))]),
    };

    /// <summary>Few names, addresses and prefixes, so that objects often meet, move and clash.</summary>
    private static DesiredChange Change(Random random) => new()
    {
        Replace = random.Next(3) == 0,
        Masquerade = random.Next(6) == 0 ? new MasqueradeSpec(random.Next(2) == 0, Wanted.Prefixes($"10.{random.Next(4)}.0.0/16")) : null,
        Endpoints = Some(random, 6, n => Wanted.Endpoint($"pod-{n}", $"10.0.1.{10 + (random.Next(4) == 0 ? random.Next(12) : n)}")),
        Nodes = Some(random, 5, n => Wanted.Node(
            $"east/node-{n}", $"172.18.0.{100 + n} fc00:f853::{100 + n}", $"10.{1 + n}.{random.Next(3)}.0/24 fd00:10:{1 + random.Next(9)}::/64")),
        Routes = Some(random, 4, n => Wanted.Route(n == 0 ? "10.2.1.0/24" : n == 1 ? "10.0.1.10/32" : $"192.168.{n}.0/24", $"172.18.0.{200 + random.Next(3)}")),
        Services = Some(random, 6, n => Wanted.Service(
            $"service-{n}", $"10.9.0.{(random.Next(3) == 0 ? random.Next(8) : n)}:80" + (random.Next(4) == 0 ? $" node:{30000 + random.Next(6)}" : ""),
            string.Join(' ', Enumerable.Range(0, 6).Where(_ => random.Next(2) == 0).Select(b => $"10.0.1.{b}:80")),
            random.Next(5) == 0 ? IpProtocol.Udp : IpProtocol.Tcp)),
    };

    private static TSpec[]? Some<TSpec>(Random random, int count, Func<int, TSpec> make) =>
        random.Next(3) == 0 ? [.. Enumerable.Range(0, count).Where(_ => random.Next(3) == 0).Select(make)] : null;

    private static DesiredChange Whole(DesiredState state) => new()
    {
        Replace = true,
        Masquerade = state.Masquerade,
        Endpoints = [.. state.Endpoints.Values],
        Nodes = [.. state.Nodes.Values],
        Routes = [.. state.Routes.Values],
        Services = [.. state.Services.Values],
    };

    /// <summary>Everything that stages can see, without ids.</summary>
    private static SortedSet<string> Describe(StateWriter writer)
    {
        Snapshot s = writer.Current;
        var lines = new SortedSet<string>(StringComparer.Ordinal)
        {
            $"masquerade {s.Masquerade.IsEnabled} {s.Masquerade.Ipv4Address} {s.Masquerade.Ipv6Address}",
            $"counts {writer.RouteCount} {writer.FrontendCount} {writer.BackendCount} {writer.Ports.Count}",
        };
        foreach (Port? port in s.Ports)
        {
            lines.Add(port is null ? "" : $"port {port.Name} {port.Kind} {port.StationMac} {string.Join(' ', port.Addresses)}");
        }

        foreach ((IpPrefix prefix, RouteTarget target) in writer.Routes())
        {
            lines.Add($"route {prefix} {s.Look(prefix.Address.ToString())} {target.NextHop}");
        }

        for (int i = 0; i < 256; i++)
        {
            foreach (string address in (string[])[$"10.0.1.{i}", $"10.{i % 8}.{i / 8}.7", $"192.168.{i}.1", $"fd00:10:{i}::7", $"172.18.0.{i}"])
            {
                IpAddress at = IpAddress.Parse(address);
                lines.Add($"at {address} {s.Look(address)} {s.Masquerade.NonMasquerade.TryLookup(at, out _)} {s.Masquerade.RemoteNodes.TryLookup(at, out _)}");
            }
        }

        foreach (IpProtocol protocol in (IpProtocol[])[IpProtocol.Tcp, IpProtocol.Udp])
        {
            for (int i = 0; i < 10; i++)
            {
                foreach (string at in (string[])[$"10.9.0.{i}:80", $"172.18.0.5:{30000 + i}", $"[fc00:f853::5]:{30000 + i}"])
                {
                    bool found = s.Services.TryFind(Wanted.Host(at), Wanted.Port(at), protocol, out Frontend? frontend);
                    lines.Add($"frontend {at} {protocol} " + (found ? $"{frontend!.Type} {frontend.Backends()}" : "none"));
                }
            }
        }

        return lines;
    }

    private static void AssertSame(SortedSet<string> wanted, SortedSet<string> got, string where)
    {
        string missing = string.Join("\n  ", wanted.Except(got));
        string extra = string.Join("\n  ", got.Except(wanted));
        Assert.True(missing.Length + extra.Length == 0, $"{where}: made at once it says\n  {missing}\ngrown it says\n  {extra}");
    }

    private void AssertIds(StateWriter writer, string where)
    {
        var live = new HashSet<uint>();
        foreach (ServiceSpec service in writer.Desired.Services.Values)
        {
            foreach (Frontend frontend in writer.FrontendsOf(service.Name))
            {
                string name = $"{FlowKey.Endpoint(frontend.Address, frontend.Port)}/{frontend.Protocol}";
                Assert.True(live.Add(frontend.Id), $"{where}: two frontends have the id {frontend.Id}");
                Assert.True(_frontendOf.TryAdd(frontend.Id, name) || _frontendOf[frontend.Id] == name, $"{where}: id {frontend.Id} of {name} was that of {_frontendOf[frontend.Id]}");
                Assert.True(writer.Current.Services.TryGet(frontend.Id, out Frontend? found) && ReferenceEquals(found, frontend), $"{where}: {name} is not found by its id");
                foreach (Backend backend in frontend.Backends)
                {
                    string at = $"{FlowKey.Endpoint(backend.Address, backend.Port)}/{frontend.Protocol}";
                    Assert.True(_backendOf.TryAdd(backend.Id, at) || _backendOf[backend.Id] == at, $"{where}: backend id {backend.Id} of {at} was that of {_backendOf[backend.Id]}");
                }
            }
        }

        Assert.All(_frontendOf.Keys.Where(id => !live.Contains(id)), id => Assert.False(writer.Current.Services.TryGet(id, out _), $"{where}: a stale id finds a frontend"));
    }
}
