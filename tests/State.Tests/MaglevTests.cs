using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Compile;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Tests;

/// <summary>
/// Maglev bit for bit as Cilium has it: the hashes, the table, the choice. The vectors come from an independent model that reproduces Cilium's own
/// (pkg/maglev, bpf/lib/hash.h).
/// </summary>
public sealed class MaglevTests
{
    private static readonly MaglevSeed s_seed = MaglevSeed.Default;

    [Theory]
    [InlineData(0x0u, "a", 0x85555565f6597889, 0xe6b53a48510e895a)]
    [InlineData(0x7u, "frontend", 0x76af13f130961ea3, 0x1b71bd66d2aa3c7c)]
    [InlineData(0x24b7ef82u, "[10.0.0.7:8080/TCP,State:active]", 0x5bad883228279a3c, 0xe698a00dee1a0242)]
    [InlineData(0x63u, "exactly sixteen.", 0x83a8ea1f17168972, 0x573642824044ceb9)]
    [InlineData(0x63u, "a text of thirty-three bytes here!", 0xa272b7bbbcb98f20, 0x4040c2875923407a)]
    public void Murmur(uint seed, string text, ulong high, ulong low) => Assert.Equal((high, low), MurmurHash.Of(Encoding.ASCII.GetBytes(text), seed));

    [Theory]
    [InlineData(0x1u, 0x2u, 0x3u, 0x0u, 2757843189)]
    [InlineData(0xffffffffu, 0x0u, 0x1u, 0x71dcda46u, 2433561805)]
    [InlineData(0xa000001u, 0x50001f90u, 0x6u, 0x71dcda46u, 2071031242)]
    public void Jenkins(uint a, uint b, uint c, uint seed, uint value) => Assert.Equal(value, JenkinsHash.Words(a, b, c, seed));

    [Fact]
    public void The_default_seed_is_Ciliums()
    {
        Assert.Equal(new MaglevSeed(0x24b7ef82, 0x71dcda46, 0x92505688), s_seed);
        Assert.Equal(MaglevSeed.DefaultText, s_seed.ToString());
        Assert.All((string[])["", "JLfvgnHc2kaSUFa", "JLfvgnHc2kaSUFaIAAAA", "JLfvgnHc2kaSUF==", "JLfvgnHc2kaSUFa!"], text => Assert.False(MaglevSeed.TryParse(text, out _)));
    }

    /// <param name="backends">address:port id weight, separated by commas.</param>
    [Theory]
    [InlineData(251, IpProtocol.Tcp, "10.244.1.1:8080 1 100,10.244.2.1:8080 2 100,10.244.3.1:8080 3 100",
        "2 2 1 1 2 1 1 2 2 3 1 1 1 2 3 2 3 3 2 1 3 3 3 3 3 3 2 1 1 2 1 1", "1:84 2:84 3:83", "4cf1aafb50c9e8650b6b0c6e734445f32aa2687038245edb7156d4ba27305ec6")]
    [InlineData(16381, IpProtocol.Tcp, "10.244.1.1:8080 1 100,10.244.2.1:8080 2 100,10.244.3.1:8080 3 100",
        "2 1 1 3 1 2 2 3 3 3 3 1 1 2 3 3 2 1 2 3 3 3 1 2 1 3 3 3 2 2 3 1", "1:5461 2:5460 3:5460", "eeb29b649c9d56301933dd35d2e97485f62bf2b6fda5bddc0249ba5e5c5b855b")]
    [InlineData(1021, IpProtocol.Tcp, "10.244.1.1:8080 1 1,10.244.2.1:8080 2 2,10.244.3.1:8080 3 5",
        "3 2 2 3 2 3 3 3 3 1 3 3 2 2 1 3 3 1 3 1 2 3 3 3 2 3 3 2 3 3 3 3", "1:128 2:256 3:637", "a5f6fdc65441e8a5b0399484f5c022831f8b6b95bbd584700484d5c01853cbdc")]
    [InlineData(251, IpProtocol.Udp, "192.0.2.53:53 9 100",
        "9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9", "9:251", "af8131136bf41d0aadf1eae26f9899325fdb99f0c0252eec5e6136fb4c9ad287")]
    [InlineData(251, IpProtocol.Tcp, "[fd00::1]:80 1 100,[fd00::2]:80 2 100",
        "1 2 1 1 1 1 1 2 1 1 1 1 2 2 1 1 1 1 2 2 1 1 1 1 2 2 1 1 1 1 2 2", "1:126 2:125", "171b7d817e61fb0134aebaf48440081db97829497f4b2be2182fe2e641a1697d")]
    public void Table(int size, IpProtocol protocol, string backends, string beginning, string shares, string sha256)
    {
        uint[] table = Fill(size, protocol, backends);
        Assert.Equal(beginning, string.Join(' ', table.Take(32)));
        Assert.Equal(shares, string.Join(' ', table.GroupBy(id => id).OrderBy(g => g.Key).Select(g => $"{g.Key}:{g.Count()}")));
        byte[] bytes = new byte[size * sizeof(uint)];
        for (int i = 0; i < size; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), table[i]);
        }

        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(bytes)));
    }

    [Theory]
    [InlineData("10.0.2.15", 50000, 8080, IpProtocol.Tcp, 1065728859, 13761, 1, 2245356587, 12917, 2)]
    [InlineData("10.0.2.15", 50001, 8080, IpProtocol.Tcp, 1999623558, 11269, 3, 2245356587, 12917, 2)]
    [InlineData("192.168.7.9", 1234, 443, IpProtocol.Tcp, 1599377863, 2547, 3, 190067112, 14750, 1)]
    [InlineData("172.16.0.200", 65535, 53, IpProtocol.Udp, 1509985295, 1096, 2, 3380109739, 5056, 3)]
    public void Choice(
        string source, int sourcePort, int port, IpProtocol protocol, uint hash, int index, uint backend, uint affinityHash, int affinityIndex, uint affinityBackend)
    {
        uint[] ids = Fill(LoadBalancerSpec.DefaultMaglevTableSize, IpProtocol.Tcp, "10.244.1.1:8080 1 100,10.244.2.1:8080 2 100,10.244.3.1:8080 3 100");
        var table = new MaglevTable([.. ids.Select(id => (ushort)id)], s_seed);
        var key = new FlowKey(IpAddress.Parse(source), IpAddress.Parse("10.2.0.1"), (ushort)sourcePort, (ushort)port, protocol);
        Assert.Equal((hash, index, (int)backend), (JenkinsHash.Flow(key, hasPort: true, s_seed), table.IndexOf(key, hasPort: true), table[table.IndexOf(key, hasPort: true)]));
        Assert.Equal(
            (affinityHash, affinityIndex, (int)affinityBackend),
            (JenkinsHash.Flow(key, hasPort: false, s_seed), table.IndexOf(key, hasPort: false), table[table.IndexOf(key, hasPort: false)]));
    }

    [Fact]
    public void The_order_in_which_backends_are_listed_changes_nothing()
    {
        string[] backends = [.. Enumerable.Range(0, 40).Select(i => $"10.0.{i % 7}.{i}:80 {i + 1} {i % 3 + 1}")];
        uint[] table = Fill(4093, IpProtocol.Tcp, string.Join(',', backends));
        new Random(5).Shuffle(backends);
        Assert.Equal(table, Fill(4093, IpProtocol.Tcp, string.Join(',', backends)));
    }

    /// <summary>Equal weights are the same as none, whatever they are; the counting of turns must not show.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(65535)]
    public void Equal_weights_are_no_weights(int weight) => Assert.Equal(
        Fill(1021, IpProtocol.Tcp, "10.0.0.1:80 1 100,10.0.0.2:80 2 100,10.0.0.3:80 3 100"),
        Fill(1021, IpProtocol.Tcp, $"10.0.0.1:80 1 {weight},10.0.0.2:80 2 {weight},10.0.0.3:80 3 {weight}"));

    /// <summary>What Maglev is for: of the flows of those that stay, few move.</summary>
    [Fact]
    public void A_backend_that_goes_moves_few_others()
    {
        string[] backends = [.. Enumerable.Range(1, 10).Select(i => $"10.0.0.{i}:80 {i} 100")];
        uint[] before = Fill(16381, IpProtocol.Tcp, string.Join(',', backends));
        uint[] after = Fill(16381, IpProtocol.Tcp, string.Join(',', backends.Where(b => !b.StartsWith("10.0.0.4:", StringComparison.Ordinal))));
        Assert.InRange(before.Zip(after).Count(p => p.First != 4 && p.First != p.Second), 0, 16381 / 50);
    }

    [Fact]
    public void Every_size_is_filled_evenly()
    {
        foreach (int size in LoadBalancerSpec.MaglevTableSizes)
        {
            uint[] table = Fill(size, IpProtocol.Tcp, "10.0.0.1:80 1 100,10.0.0.2:80 2 100");
            Assert.Equal([(size + 1) / 2, size / 2], table.GroupBy(id => id).Select(g => g.Count()).OrderDescending());
        }
    }

    private static uint[] Fill(int size, IpProtocol protocol, string backends)
    {
        string[][] parts = [.. backends.Split(',').Select(b => b.Split(' '))];
        uint[] ids = [.. parts.Select(p => uint.Parse(p[1]))];
        string[] texts = [.. parts.Select(p => MaglevPopulation.TextOf(new BackendSpec(Wanted.Host(p[0]), Wanted.Port(p[0]), "west", ""), protocol))];
        return [.. MaglevPopulation.Fill(texts, [.. parts.Select(p => ushort.Parse(p[2]))], size, s_seed.Permutation).Select(i => ids[i])];
    }
}
