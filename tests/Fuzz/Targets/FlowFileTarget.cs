using System.Buffers.Binary;
using System.Security.Cryptography;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Testing;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Fuzz.Targets;

/// <summary>
/// What another process left: one byte of options (1 the heads' checksums are made right, 2 the file is cut, 4 the tables), then changes, each an offset (three
/// bytes) and a byte. Of the heads a file on tmpfs is opened as a forwarder does; of the tables the memory is looked through and used.
/// </summary>
internal sealed class FlowFileTarget : FuzzTarget
{
    private const string Node = "west/worker";
    private const int Capacity = 64;
    private const int HeadLength = 512;
    private const int MostChanges = 256;

    /// <summary>What is mapped stays mapped; a process may have some 65,000 mappings.</summary>
    private const int MostMappings = 20_000;

    private static readonly MonoTime s_now = MonoTime.FromSeconds(1000);
    private static readonly FlowSizes s_sizes = FlowSizes.For(Capacity, Capacity, Capacity);

    private readonly TestNode _node = new(workerCount: 1);
    private readonly SeedFrame[] _frames;
    private readonly byte[] _buffer = new byte[PacketContext.BufferLength];
    private readonly byte[][] _tables = [.. ((int[])[s_sizes.ConntrackLength, s_sizes.SnatLength, s_sizes.AffinityLength, s_sizes.FragmentLength]).Select(l => GC.AllocateArray<byte>(l, pinned: true))];
    private readonly byte[][] _sound;
    private readonly byte[] _file;
    private readonly string _path;
    private int _mappingCount;

    public FlowFileTarget()
    {
        _frames = [.. SeedFrame.All(_node).Where((_, i) => i % 5 == 0)];
        Fill(Open(isKept: false));
        _sound = [.. _tables.Select(t => t.ToArray())];
        FlowFile.Open(Workplace.Directory, Node, 1, s_sizes, seed: 5, _ => { });
        _path = Path.Combine(Workplace.Directory, Node.Replace('/', '.') + ".flows");
        _file = File.ReadAllBytes(_path);
    }

    public override string Name => "flowfile";

    public override void Run(ReadOnlySpan<byte> input)
    {
        var reader = new InputReader(input);
        byte options = reader.Byte();
        if ((options & 4) != 0)
        {
            ReadTables(ref reader);
        }
        else
        {
            ReadFile(options, ref reader);
        }
    }

    public override IEnumerable<(string Name, byte[] Bytes)> Seeds()
    {
        yield return ("tables-sound", [4]);
        foreach (int table in Enumerable.Range(0, 4))
        {
            int start = _sound.Take(table).Sum(t => t.Length);
            yield return ($"tables-head-{table}", [4, .. Change(start, 1), .. Change(start + 8, 0xFF)]);
            yield return ($"tables-entry-{table}", [4, .. Change(start + 64 + 40, 0xFF), .. Change(start + 64 + 88 + 3, 7), .. Change(start + 64 + 200, 1)]);
        }

        foreach (int offset in (int[])[0, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96, 480])
        {
            yield return ($"head-{offset:d3}", [1, .. Change(offset, 0x77), .. Change(HeadLength + offset, 0x77)]);
            yield return ($"sum-{offset:d3}", [0, .. Change(offset, 0x77), .. Change(HeadLength + offset, 0x77)]);
        }

        yield return ("cut", [2, .. Change(100, 0)]);
        yield return ("sound", [0]);
    }

    private static byte[] Change(int offset, byte value) => [(byte)offset, (byte)(offset >> 8), (byte)(offset >> 16), value];

    private void ReadFile(byte options, ref InputReader reader)
    {
        if (_mappingCount >= MostMappings)
        {
            return;
        }

        byte[] heads = _file[..(2 * HeadLength)];
        long length = _file.Length;
        for (int i = 0; i < MostChanges && !reader.IsAtEnd; i++)
        {
            int at = reader.Word() | reader.Byte() << 16;
            length = (options & 2) != 0 ? at % (_file.Length + 4096) : length;
            heads[at % heads.Length] = reader.Byte();
        }

        for (int head = 0; (options & 1) != 0 && head < 2; head++)
        {
            SHA256.HashData(heads.AsSpan(head * HeadLength, HeadLength - 32), heads.AsSpan((head * HeadLength) + HeadLength - 32));
        }

        // Always the same file: a mapping of a file that is gone would keep its memory.
        using (FileStream file = new(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            file.SetLength(length);
            file.Write(heads.AsSpan(0, (int)Math.Min(heads.Length, length)));
        }

        List<string> said = [];
        try
        {
            FlowFile opened = FlowFile.Open(Workplace.Directory, Node, 1, s_sizes, seed: 5, said.Add);
            _mappingCount++;
            FuzzFinding.Unless(opened.Workers.Count == 1 && said.Count == (opened.IsKept ? 0 : 1), $"{said.Count} sentences, {opened.Workers.Count} workers");
        }
        catch (DeviceException e)
        {
            said.Add(e.Message);
        }

        said.ForEach(FuzzFinding.UnlessSentence);
        if (File.Exists(_path + ".refused"))
        {
            File.Move(_path + ".refused", _path, overwrite: true);
        }

        using FileStream whole = new(_path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        whole.SetLength(_file.Length);
    }

    private void ReadTables(ref InputReader reader)
    {
        for (int i = 0; i < _tables.Length; i++)
        {
            _sound[i].CopyTo(_tables[i], 0);
        }

        for (int i = 0; i < MostChanges && !reader.IsAtEnd; i++)
        {
            int at = reader.Word() | reader.Byte() << 16;
            byte value = reader.Byte();
            byte[] table = _tables[at >> 20 & 3];
            int start = 0;
            foreach (byte[] each in _tables)
            {
                if (at >= start && at < start + each.Length)
                {
                    table = each;
                    at -= start;
                    break;
                }

                start += each.Length;
            }

            table[at % table.Length] = value;
        }

        LiveTables live = Open(isKept: true);
        var recovery = new FlowRecovery(_node.State.Current, TestNode.LocalSpec().PodCidrs, s_now);
        recovery.Run(live);
        FuzzFinding.Unless(recovery.FlowCount == live.Conntrack.Count && recovery.MappingCount == live.Snat.Count, "what was taken up is not what is there");
        int found = Enumerable.Range(0, Capacity).Count(i => (live.Conntrack[i].Flags & ConntrackFlags.Used) != 0 && live.Conntrack.IndexOf(live.Conntrack[i].Key) == i);
        FuzzFinding.Unless(found == live.Conntrack.Count, $"{found} of {live.Conntrack.Count} flows are found");
        Use(live);
        MonoTime end = MonoTime.FromSeconds(100_000_000);
        live.Conntrack.Sweep(Capacity, end);
        live.Snat.Sweep(Capacity, live.Conntrack, end);
        FuzzFinding.Unless(live.Conntrack.Count == 0 && live.Snat.Count == 0, $"{live.Conntrack.Count} flows and {live.Snat.Count} mappings cannot be removed");
        for (ushort i = 0; i < Capacity; i++)
        {
            FuzzFinding.Unless(live.Conntrack.Create(ConntrackTable.Ordered(Flow((ushort)(9000 + i)), out _)) >= 0, $"entry {i} cannot be had");
        }
    }

    private void Use(LiveTables live)
    {
        var pipeline = new PacketPipeline(live);
        foreach (SeedFrame frame in _frames)
        {
            frame.Bytes.CopyTo(_buffer, PacketContext.Headroom);
            var p = new PacketContext(_buffer, PacketContext.Headroom, frame.Bytes.Length, frame.Offload, _node.State.Ports[frame.Port].Id);
            pipeline.Process(ref p, _node.State.Current, s_now);
            while (live.Outbox.TryTake(out _, out _))
            {
                // What leaves beside it is none of this target's.
            }
        }

        new Housekeeping(live).Run(_node.State.Current, s_now.PlusSeconds(1));
    }

    private void Fill(LiveTables live)
    {
        for (ushort i = 0; i < 24; i++)
        {
            FlowKey key = Flow((ushort)(4000 + i));
            ref ConntrackEntry entry = ref live.Conntrack[live.Conntrack.Create(ConntrackTable.Ordered(key, out bool swapped))];
            entry.Flags |= ConntrackFlags.Snat | (swapped ? ConntrackFlags.ClientIsSecond : 0);
            entry.Expires = s_now.Seconds + 100;
            live.Snat.Create(key, _node.State.Current.Masquerade.Ipv4Address, 32768, 65535, live.Conntrack, live.Random, s_now);
            live.Fragments.Remember(key, i, s_now);
        }

        Frontend frontend = _node.State.Desired.Services.Values.SelectMany(s => _node.State.FrontendsOf(s.Name)).First(f => f.Address.IsIpv4 && f.Backends.Length > 0);
        live.Affinities.Use(frontend.Id, Flow(1).Source, frontend.Backends[0].Id, s_now, out _);
    }

    private static FlowKey Flow(ushort port) => new(new TestMesh(Family.Ipv4).CurlPod, new TestMesh(Family.Ipv4).Outside, port, 443, IpProtocol.Tcp);

    private LiveTables Open(bool isKept) => new(
        Capacity, Capacity, seed: 5, affinityCapacity: Capacity, memory: FlowMemory.Over(s_sizes, _tables[0], _tables[1], _tables[2], _tables[3], _tables, isKept));
}
