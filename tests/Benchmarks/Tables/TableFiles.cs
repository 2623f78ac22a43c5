using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks.Tables;

/// <summary>A million prefixes and a million flows, and what is looked up among them: in memory, and in files for a program that is compared.</summary>
internal sealed class TableFiles
{
    public const int FlowCount = 1_000_000;
    public const int LookupCount = 1 << 20;
    private const int PrefixCount = 1_000_000;

    public TableFiles()
    {
        Prefixes = Benchmarks.Prefixes.Internet(PrefixCount, seed: 1);
        Addresses = AddressesWithin(Prefixes, seed: 3);
        Flows = RandomFlows(seed: 4);
        var random = new Random(5);
        Lookups = new int[LookupCount];
        for (int i = 0; i < Lookups.Length; i++)
        {
            Lookups[i] = random.Next(FlowCount);
        }
    }

    /// <summary>The value of each is its number here.</summary>
    public IpPrefix[] Prefixes { get; }

    public IpAddress[] Addresses { get; }

    /// <summary>The value of each is its number here.</summary>
    public FlowKey[] Flows { get; }

    /// <summary>Numbers of the flows that are looked up.</summary>
    public int[] Lookups { get; }

    /// <summary>Random addresses of random prefixes: every one is found.</summary>
    public static IpAddress[] AddressesWithin(IpPrefix[] prefixes, int seed)
    {
        var random = new Random(seed);
        var addresses = new IpAddress[LookupCount];
        for (int i = 0; i < addresses.Length; i++)
        {
            IpPrefix prefix = prefixes[random.Next(prefixes.Length)];
            uint hostBits = (uint)(random.NextInt64(1L << 32) & ((1L << (IpPrefix.MaxLength - prefix.Length)) - 1));
            addresses[i] = IpAddress.FromIpv4(prefix.Address.ToIpv4() | hostBits);
        }

        return addresses;
    }

    /// <summary>As native/dpdk-tables.c reads them.</summary>
    public void WriteTo(string folder)
    {
        Write(folder, "prefixes", Prefixes.SelectMany(p => (uint[])[p.Address.ToIpv4(), (uint)p.FamilyLength]).ToArray());
        Write(folder, "addresses", Addresses.Select(a => a.ToIpv4()).ToArray());
        Write(folder, "flows", Flows);
        Write(folder, "lookups", Lookups);
    }

    private static FlowKey[] RandomFlows(int seed)
    {
        var random = new Random(seed);
        var flows = new HashSet<FlowKey>(FlowCount);
        while (flows.Count < FlowCount)
        {
            flows.Add(new FlowKey(
                IpAddress.FromIpv4(0x0A00_0000 + (uint)random.Next(1 << 16)),
                IpAddress.FromIpv4(0x0A01_0000 + (uint)random.Next(1 << 16)),
                (ushort)random.Next(1024, 65536),
                (ushort)random.Next(1, 10_000),
                IpProtocol.Tcp));
        }

        return [.. flows];
    }

    private static void Write<T>(string folder, string name, T[] items)
        where T : struct => File.WriteAllBytes(Path.Combine(folder, name), MemoryMarshal.AsBytes(items.AsSpan()).ToArray());
}
