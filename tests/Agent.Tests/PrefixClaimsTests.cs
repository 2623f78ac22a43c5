using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>Ranges that two claim, against the plain way of looking at all of them.</summary>
public sealed class PrefixClaimsTests
{
    [Fact]
    public void An_overlap_is_found_as_by_looking_at_all()
    {
        const int Seed = 20261123;
        Random random = new(Seed);
        for (int round = 0; round < 200; round++)
        {
            PrefixClaims claims = new();
            List<IpPrefix> naive = [];
            for (int i = 0; i < 60; i++)
            {
                IpPrefix prefix = Draw(random);
                string? found = claims.FindOverlap(prefix);
                Assert.True(naive.Any(n => n.Overlaps(prefix)) == (found is not null), $"seed {Seed}, round {round}: {prefix} among {string.Join(' ', naive)}: {found}");
                Assert.True(found is null || naive.Any(n => n.ToString() == found && n.Overlaps(prefix)), $"seed {Seed}: {found} does not overlap {prefix}");
                // Some claims are let through although they overlap, as what a forwarder had is.
                if (found is null || random.Next(3) == 0)
                {
                    claims.Add(prefix, prefix.ToString());
                    naive.Add(prefix);
                }
            }
        }
    }

    [Fact]
    public void Ipv6_ranges_do_not_hold_ipv4_addresses()
    {
        PrefixClaims claims = new();
        claims.Add(IpPrefix.Parse("::/0"), "six");
        Assert.Null(claims.FindOverlap(IpPrefix.Parse("10.0.0.0/8")));
        claims.Add(IpPrefix.Parse("10.0.0.0/8"), "four");
        Assert.Equal("four", claims.FindOverlap(IpPrefix.Parse("0.0.0.0/0")));
        Assert.Equal("six", claims.FindOverlap(IpPrefix.Parse("fd00::/8")));
    }

    /// <summary>Within a /20, so that many overlap; one in four is IPv6.</summary>
    private static IpPrefix Draw(Random random) => random.Next(4) == 0
        ? IpPrefix.Containing(new IpAddress(0xFD00_0000_0000_0000, (ulong)random.Next(4096)), random.Next(110, 129))
        : IpPrefix.Containing(IpAddress.FromIpv4(0x0A00_0000 | (uint)random.Next(4096)), random.Next(20, 33));
}
