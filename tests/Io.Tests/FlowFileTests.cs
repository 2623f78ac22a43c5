using System.Buffers.Binary;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Tests;

/// <summary>The file of flow tables: what its layout numbers stand for, and how one of another shape is read.</summary>
public sealed class FlowFileTests : IDisposable
{
    private const string Node = "west/worker";
    private const int LayoutOffset = 8;
    private const int SumOffset = 480;
    private const int SumLength = 32;
    private const int HeadLength = 512;
    private const int TablesOffset = 4096;
    private const int Page = 4096;
    private static readonly FlowSizes s_sizes = FlowSizes.For(1000, 50, 20);
    private readonly string _directory = Directory.CreateDirectory($"/dev/shm/cmesh-flowfile-{Environment.ProcessId}-{Guid.NewGuid():N}").FullName;
    private readonly List<string> _log = [];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>
    /// Whoever changes an entry sees this fail: then FlowLayout.Current counts up, the former layout stays in its list with a reader, and what is written
    /// here is written for the new number.
    /// </summary>
    [Fact]
    public void Layout_2_is_what_was_written_down_for_it()
    {
        Assert.Equal(2u, FlowLayout.Current.Number);
        const string Address = "IpAddress 16 (High UInt64, Low UInt64)";
        const string Key = $"FlowKey 40 (Source {Address}, Destination {Address}, SourcePort UInt16, DestinationPort UInt16, Protocol Byte, Scope Byte, Reserved UInt16)";
        Assert.Equal("TableHead 12 (UsedCount Int32, Written Int32, UsedInverted Int32)", Describe(typeof(TableHead)));
        Assert.Equal(
            $"ConntrackEntry 88 (Key {Key}, Expires UInt32, BackendId UInt32, Packets UInt64, Bytes UInt64, LastTx UInt32, LastRx UInt32, "
            + "Flags UInt16, TxFlagsSeen Byte, RxFlagsSeen Byte, RevNat UInt32, SourceIdentity UInt32, Generation UInt32)",
            Describe(typeof(ConntrackEntry)));
        Assert.Equal($"SnatEntry 64 (Forward {Key}, NatAddress {Address}, Created UInt32, NatPort UInt16, IsUsed Boolean, IsReturn Boolean)", Describe(typeof(SnatEntry)));
        Assert.Equal(
            $"AffinityEntry 40 (Client {Address}, LastUsed MonoTime 8 (Nanoseconds Int64), Frontend UInt32, BackendId UInt32, Generation UInt32, Reserved UInt32)",
            Describe(typeof(AffinityEntry)));
        Assert.Equal($"FragmentEntry 48 (Key {Key}, Id UInt32, Expires UInt32)", Describe(typeof(FragmentEntry)));
        Assert.Equal(
            "None=0 RxClosing=1 TxClosing=2 Closing=3 LoopbackHairpin=8 SeenNonSyn=16 NodePort=32 DsrInternal=128 Visible=255 Snat=256 Mapped=384 Inbound=512 ClientIsSecond=1024 DirectReturn=2048 Counted=4096 Used=32768",
            string.Join(' ', Enum.GetValues<ConntrackFlags>().Select(f => $"{f}={(int)f}")));
        Assert.Equal("Flow=0 Service=4", string.Join(' ', Enum.GetValues<FlowScope>().Select(s => $"{s}={(int)s}")));
    }

    [Theory]
    [InlineData(2u, 88, 1, 300, 2)]
    [InlineData(2u, 88, 3, 1000, 1)]
    [InlineData(1u, 88, 1, 1000, 1)]
    [InlineData(1u, 96, 1, 1000, 1)]
    [InlineData(1u, 96, 2, 60, 3)]
    public void A_file_of_another_shape_is_read_entry_by_entry(uint layout, int conntrackLength, int formerWorkers, int conntrackCapacity, int workers)
    {
        ConntrackEntry[] flows = Fill(formerWorkers);
        Rewrite(layout, conntrackLength, formerWorkers);
        FlowSizes sizes = FlowSizes.For(conntrackCapacity, 50, 20);
        FlowFile converted = Open(workers, sizes);
        Assert.True(converted is { IsKept: false, IsConversion: true, Seed: 77 }, string.Join('\n', _log));
        Assert.Equal(2ul, converted.Generation);
        FormerFlows former = converted.ReadFormer();
        Assert.Equal(flows, former.Conntrack);
        Assert.Equal(formerWorkers, former.Snat.Count());
        Assert.Equal(formerWorkers, former.Affinities.Count());
        Assert.Equal(formerWorkers, former.Fragments.Count());
        Assert.All(former.Snat, m => Assert.Equal(40_000, m.NatPort));

        // Until it is complete the former file stays; then the new one takes its place.
        converted.Workers[workers - 1].Conntrack[0] = flows[0];
        converted.Workers[workers - 1].Conntrack.UsedCount = 1;
        Assert.True(File.Exists(Path.Combine(_directory, "west.worker.flows.new")));
        converted.Replace();
        FlowFile kept = Open(workers, sizes);
        Assert.True(kept is { IsKept: true, IsConversion: false, Generation: 3 });
        Assert.Equal(flows[0], kept.Workers[workers - 1].Conntrack[0]);
        Assert.Equal(["west.worker.flows"], Directory.GetFiles(_directory).Select(f => Path.GetFileName(f)));
        Assert.Empty(_log);
    }

    [Fact]
    public void A_conversion_that_is_given_up_leaves_the_former_file()
    {
        ConntrackEntry[] flows = Fill(1);
        FlowFile converted = Open(2, s_sizes);
        converted.Abandon();
        Assert.Equal(["west.worker.flows"], Directory.GetFiles(_directory).Select(f => Path.GetFileName(f)));
        Assert.Equal(flows[0], Open(1, s_sizes).Workers[0].Conntrack[0]);
    }

    [Theory]
    [InlineData(9u, 88, "its layout is 9, which this program does not know; its own is 2")]
    [InlineData(2u, 96, "bytes, which does not fit its head")]
    [InlineData(1u, 104, "bytes, which does not fit its head")]
    public void A_layout_that_nobody_knows_is_set_aside(uint layout, int conntrackLength, string sentence)
    {
        Fill(1);
        Rewrite(layout, conntrackLength, 1);
        FlowFile made = Open(1, s_sizes);
        Assert.True(made is { IsKept: false, IsConversion: false });
        Assert.Contains(sentence, Assert.Single(_log));
        Assert.Contains("set aside as", _log[0]);
    }

    /// <summary>Sizes whose sum is right and which are none.</summary>
    [Fact]
    public void Sizes_that_make_up_for_each_other_are_none()
    {
        FlowSizes odd = s_sizes with { Snat = -50, AffinityPlaces = s_sizes.AffinityPlaces + 160 };
        Assert.Equal(FlowLayout.Current.FileLength(1, s_sizes), FlowLayout.Current.FileLength(1, odd));
        Assert.NotNull(FlowLayout.Find(2, 1, s_sizes, FlowLayout.Current.FileLength(1, s_sizes)));
        Assert.Null(FlowLayout.Find(2, 1, odd, FlowLayout.Current.FileLength(1, odd)));
        Assert.Null(FlowLayout.Find(2, 0, s_sizes, FlowLayout.Current.FileLength(0, s_sizes)));
    }

    private static string Describe(Type type)
    {
        if (type.IsEnum)
        {
            return Enum.GetUnderlyingType(type).Name;
        }

        if (type.IsPrimitive)
        {
            return type.Name;
        }

        MethodInfo sizeOf = typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type);
        IEnumerable<string> fields = type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).OrderBy(f => f.MetadataToken)
            .Select(f => $"{(f.Name.StartsWith('<') ? f.Name[1..f.Name.IndexOf('>')] : f.Name)} {Describe(f.FieldType)}");
        return $"{type.Name} {sizeOf.Invoke(null, null)} ({string.Join(", ", fields)})";
    }

    private FlowFile Open(int workerCount, in FlowSizes sizes) => FlowFile.Open(_directory, Node, workerCount, sizes, 77, _log.Add);

    /// <summary>Of each worker three flows, of which the second is just being written, and one of all else.</summary>
    private ConntrackEntry[] Fill(int workerCount)
    {
        FlowFile file = Open(workerCount, s_sizes);
        List<ConntrackEntry> flows = [];
        for (int worker = 0; worker < workerCount; worker++)
        {
            FlowMemory memory = file.Workers[worker];
            var key = new FlowKey(IpAddress.Parse("10.0.1.11"), IpAddress.Parse("203.0.113.9"), (ushort)(4000 + worker), 443, IpProtocol.Tcp);
            for (ushort i = 0; i < 3; i++)
            {
                var entry = new ConntrackEntry { Key = key with { DestinationPort = i }, Flags = ConntrackFlags.Used, Expires = 5u + i, Packets = i, RevNat = 6, SourceIdentity = 7, Generation = 8u + i };
                memory.Conntrack[i] = entry;
                flows.AddRange(i == 1 ? [] : [entry]);
            }

            memory.Conntrack.UsedCount = 4; // One was given back.
            memory.Conntrack.BeginWrite(1);
            memory.Snat[0] = new SnatEntry { Forward = key, NatAddress = IpAddress.Parse("172.18.0.5"), NatPort = 40_000, IsUsed = true };
            memory.Snat.UsedCount = 1;
            memory.Affinities[30] = new AffinityEntry { Client = key.Source, Frontend = 3, BackendId = 4, Generation = 5 };
            memory.Fragments[1000] = new FragmentEntry(key, 6, 7);
        }

        return [.. flows];
    }

    /// <summary>The file as a program of another layout left it: longer entries have bytes behind those of today.</summary>
    private void Rewrite(uint layout, int conntrackLength, int workerCount)
    {
        string path = Path.Combine(_directory, "west.worker.flows");
        byte[] old = File.ReadAllBytes(path);
        int ofWorker = (old.Length - TablesOffset) / workerCount;
        int conntrack = Lines(64 + (s_sizes.Conntrack * ConntrackEntry.Length));
        int others = Lines(64 + (s_sizes.Snat * SnatEntry.Length)) + Lines(64 + (s_sizes.AffinityPlaces * AffinityEntry.Length)) + Lines(64 + (s_sizes.Fragments * FragmentEntry.Length));
        List<byte> made = [.. old[..TablesOffset]];
        for (int worker = 0; worker < workerCount; worker++)
        {
            byte[] tables = old[(TablesOffset + (worker * ofWorker))..][..(conntrack + others)];
            made.AddRange(tables[..64]);
            for (int i = 0; i < s_sizes.Conntrack; i++)
            {
                made.AddRange(tables.AsSpan(64 + (i * ConntrackEntry.Length), ConntrackEntry.Length));
                made.AddRange(Enumerable.Repeat((byte)0xEE, conntrackLength - ConntrackEntry.Length));
            }

            made.AddRange(new byte[Lines(made.Count) - made.Count]);
            made.AddRange(tables[conntrack..]);
            made.AddRange(new byte[((made.Count + Page - 1) / Page * Page) - made.Count]);
        }

        byte[] bytes = [.. made];
        for (int head = 0; head < 2 * HeadLength; head += HeadLength)
        {
            Span<byte> span = bytes.AsSpan(head, HeadLength);
            if (span.ContainsAnyExcept((byte)0))
            {
                BinaryPrimitives.WriteUInt32LittleEndian(span[LayoutOffset..], layout);
                SHA256.HashData(span[..SumOffset], span.Slice(SumOffset, SumLength));
            }
        }

        File.WriteAllBytes(path, bytes);
    }

    private static int Lines(int length) => (length + 63) / 64 * 64;
}
