using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Pipeline.Events;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests;

/// <summary>The record of a flow event is a format between programs: size, offsets and bytes stand.</summary>
public sealed class FlowRecordTests
{
    // Offset and size of each field; docs/observe.md has the same table.
    private static readonly (string Name, int Offset, int Size)[] s_fields =
    [
        ("Source", 0, 16), ("Destination", 16, 16), ("TranslatedSource", 32, 16), ("Time", 48, 8), ("SourceMac", 56, 8), ("DestinationMac", 64, 8),
        ("TraceId", 72, 8), ("SourceIdentity", 80, 4), ("DestinationIdentity", 84, 4), ("Interface", 88, 4), ("PacketLength", 92, 4), ("PacketCount", 96, 2),
        ("EtherType", 98, 2), ("SourceEndpoint", 100, 2), ("DestinationEndpoint", 102, 2), ("SourcePort", 104, 2), ("DestinationPort", 106, 2),
        ("Protocol", 108, 1), ("TcpFlags", 109, 1), ("IcmpType", 110, 1), ("IcmpCode", 111, 1), ("Version", 112, 1), ("Kind", 113, 1), ("Verdict", 114, 1),
        ("DropReason", 115, 1), ("ObservationPoint", 116, 1), ("Direction", 117, 1), ("Reply", 118, 1), ("PolicyMatch", 119, 1), ("TraceReason", 120, 1), ("Worker", 121, 1), ("Detail", 122, 1),
        ("ReasonDetail", 123, 1),
    ];

    [Fact]
    public void It_has_128_bytes_and_no_references()
    {
        Assert.Equal(128, FlowRecord.Length);
        Assert.Equal(FlowRecord.Length, Unsafe.SizeOf<FlowRecord>());
        Assert.False(RuntimeHelpers.IsReferenceOrContainsReferences<FlowRecord>());
        Assert.Equal(2, FlowRecord.CurrentVersion);
    }

    [Fact]
    public void Each_field_stands_where_the_page_says()
    {
        Assert.Equal(
            s_fields.Select(f => (f.Name, f.Offset)),
            typeof(FlowRecord).GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
                .Select(f => (Name: f.Name.Split('<', '>')[1], Offset: f.GetCustomAttribute<FieldOffsetAttribute>()!.Value))
                .OrderBy(f => f.Offset));
        Assert.All(s_fields.Zip(s_fields.Skip(1)), pair => Assert.Equal(pair.First.Offset + pair.First.Size, pair.Second.Offset));
        string page = File.ReadAllText(Path.Combine(Root(), "docs/observe.md"));
        Assert.All(s_fields, f => Assert.Contains($"| {f.Offset} | {f.Size} | {f.Name} |", page));
    }

    [Fact]
    public void Its_bytes_are_itself()
    {
        FlowRecord record = new()
        {
            Source = IpAddress.Parse("10.0.1.105"),
            Destination = IpAddress.Parse("2001:db8::1"),
            Time = 0x0102030405060708,
            SourcePort = 0x1234,
            DropReason = DropReason.NoBackend,
            TraceReason = FlowTraceReason.Related,
        };
        byte[] bytes = new byte[FlowRecord.Length];
        MemoryMarshal.Write(bytes, record);
        Assert.Equal(record, MemoryMarshal.Read<FlowRecord>(bytes));
        Assert.Equal(record.Time, BitConverter.ToInt64(bytes, 48));
        Assert.Equal(0x1234, BitConverter.ToUInt16(bytes, 104));
        Assert.Equal([2, 0, 0, 158], bytes[112..116]);
        Assert.Equal([4, 0, 0, 0, 0, 0, 0, 0], bytes[120..]);
    }

    [Fact]
    public void Memory_that_nobody_wrote_has_no_version() => Assert.Equal(0, default(FlowRecord).Version);

    private static string Root()
    {
        DirectoryInfo directory = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Directory.Packages.props")))
        {
            directory = directory.Parent!;
        }

        return directory.FullName;
    }
}
