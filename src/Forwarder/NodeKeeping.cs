using System.Diagnostics;
using System.Security.Cryptography;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>
/// What of a node outlives its process (<c>--keep</c>): the flow tables in a file, the TAPs at a keeper, the configuration beside them. Without
/// the option nothing does, and all of this is memory of the process.
/// </summary>
internal sealed class NodeKeeping : IDisposable
{
    private readonly FlowFile? _flows;
    private readonly KeptConfiguration? _configuration;
    private readonly KeptNeighbors? _neighbors;
    private readonly bool _hasFound;
    private bool _isRecovered;
    private bool _isUp;
    private bool _isReleased;
    private bool _isOwned = true;

    private NodeKeeping(FlowFile? flows, KeptConfiguration? configuration, KeptNeighbors? neighbors, KeptTaps? taps, ulong seed, DesiredChange? initial, ServiceNumbers numbers)
    {
        _flows = flows;
        _hasFound = flows is { IsKept: true } or { IsConversion: true };
        _configuration = configuration;
        _neighbors = neighbors;
        Taps = taps;
        Seed = seed;
        Initial = initial;
        Numbers = numbers;
    }

    public bool IsKept => _flows is not null;

    /// <summary>Null when TAPs end with the process.</summary>
    public KeptTaps? Taps { get; }

    /// <summary>Of all hashes, the dice and the dealing of ports.</summary>
    public ulong Seed { get; }

    /// <summary>What the process before this one had in force; null for the node file's.</summary>
    public DesiredChange? Initial { get; }

    /// <summary>By which the flow tables name frontends and backends.</summary>
    public ServiceNumbers Numbers { get; }

    /// <exception cref="DeviceException">The directory, the file or the keeper cannot be had.</exception>
    public static NodeKeeping Open(NodeFile file, ForwarderOptions options)
    {
        ulong seed = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        if (options.KeepDirectory is not { } directory)
        {
            return new NodeKeeping(null, null, null, null, seed, null, ServiceNumbers.None);
        }

        string name = $"{file.Local.Cluster}/{file.Local.Name}";
        string path = Path.Combine(directory, name.Replace('/', '.'));
        FlowFile flows = FlowFile.Open(
            directory, name, options.WorkerCount, SizesOf(file.Local, options.WorkerCount), seed, Log.Write, options.IsTakeover);
        var configuration = new KeptConfiguration(path + ".config", file);
        DesiredChange? initial = configuration.TryRead(out ServiceNumbers numbers, out bool hasApplied);
        if (options.IsTakeover && initial is null && hasApplied)
        {
            flows.Abandon();
            throw new DeviceException(
                $"{options.ConfigPath}: it is not the node file that the other forwarder runs with, to which things were applied that would be lost; that one goes on: give its node file, or stop it and start this");
        }

        KeptTaps taps = KeptTaps.Join(path + ".keeper", OwnProgram.Start("--keeper", path + ".keeper"), Log.Write);
        if (options.IsTakeover)
        {
            taps.Release();
        }

        return new NodeKeeping(flows, configuration, new KeptNeighbors(path + ".neighbors"), taps, flows.Seed, initial, numbers) { _isOwned = !options.IsTakeover };
    }

    /// <summary>What one of several workers gets of a table's size: together they have that size at least.</summary>
    public static int Share(int entryCount, int workerCount) => (entryCount + workerCount - 1) / workerCount;

    /// <summary>Null for memory of the process.</summary>
    public FlowMemory? MemoryOf(int worker) => _flows?.Workers[worker];

    /// <summary>Looks through the tables that were found, once, before the first packet, and says what it took up.</summary>
    /// <param name="neighbors">Of the process that was taken over; null for those that one which was killed has left.</param>
    public void Recover(WorkerGroup workers, Snapshot snapshot, LocalNodeSpec local, IReadOnlyList<NeighborNews>? neighbors)
    {
        if (_isRecovered || _flows is null || !_hasFound)
        {
            return;
        }

        _isRecovered = true;
        string difference = _flows.Difference;
        long start = Stopwatch.GetTimestamp();
        var now = new MonoTime(MonotonicClock.Nanoseconds);
        var recovery = new FlowRecovery(snapshot, local.PodCidrs, now);
        if (_flows.IsConversion)
        {
            Convert(_flows, recovery, workers, snapshot);
        }
        else
        {
            workers.Invoke(worker => Take(worker.Live, recovery, workers.Backends));
        }

        IReadOnlyList<NeighborNews> known = neighbors ?? _neighbors!.Read();
        workers.Invoke(worker =>
        {
            foreach (NeighborNews news in known)
            {
                worker.Live.Neighbors.Take(news, now);
            }
        });
        Log.Write(
            $"flow tables {_flows.Path} {(difference.Length == 0 ? "taken up" : $"converted ({difference})")} in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:0.0} ms, generation {_flows.Generation}: "
            + $"{recovery.FlowCount} flows and {recovery.MappingCount} SNAT mappings go on; {recovery.CountOf(FlowFate.Expired)} entries were over, "
            + $"{recovery.CountOf(FlowFate.Orphaned)} of pods or services that are gone, {recovery.CountOf(FlowFate.Unpaired)} without their counterpart, {recovery.CountOf(FlowFate.Broken)} broken"
            + (difference.Length == 0 ? "" : $", {recovery.CountOf(FlowFate.NoRoom)} found no room, {recovery.CountOf(FlowFate.Displaced)} with a port that is another worker's now"));
    }

    private static void Take(LiveTables live, FlowRecovery recovery, KnownBackends? backends)
    {
        recovery.Run(live);
        foreach (ref readonly ConntrackEntry entry in backends is null ? [] : live.Conntrack.Entries)
        {
            recovery.Teach(backends!, entry);
        }
    }

    private static void Convert(FlowFile flows, FlowRecovery recovery, WorkerGroup workers, Snapshot snapshot)
    {
        var conversion = new FlowConversion(flows.ReadFormer(), recovery, workers.Homes, workers.Backends, snapshot);
        foreach (Action<LiveTables, int> step in (Action<LiveTables, int>[])[conversion.TakeFlows, conversion.TakeRest])
        {
            foreach ((int number, Worker worker) in workers.Workers.Index())
            {
                worker.Invoke(() => step(worker.Live, number));
            }
        }

        conversion.Finish();
        flows.Replace();
    }

    /// <summary>The node is up: TAPs that nobody wanted go, and the configuration is followed.</summary>
    /// <param name="describe">What is in force, and its numbers, at one moment.</param>
    public void Follow(Func<(ServiceNumbers Numbers, string Configuration)> describe, WorkerGroup workers)
    {
        _isUp = true;
        Taps?.DropRest();
        _configuration?.Follow(describe);
        _neighbors?.Follow(workers.First);
    }

    /// <summary>What is in force is in its file when this returns.</summary>
    public void Write() => _configuration?.Write();

    /// <summary>Another process has all of this from now on.</summary>
    public void Release()
    {
        _isReleased = true;
        Taps?.Release();
        _configuration?.Dispose();
        _neighbors?.Dispose();
    }

    /// <summary>It is ours: the process that had it has let go.</summary>
    public void Own()
    {
        _flows?.Own();
        Taps?.Own();
        _isOwned = true;
    }

    public void NoteChange() => _configuration?.NoteChange();

    /// <summary>The node ends for good, and with it all of this; but what was found stays for the next try when the node did not come up.</summary>
    public void End()
    {
        _flows?.Abandon();
        if (_isReleased || !_isOwned || (!_isUp && _hasFound))
        {
            Taps?.Release();
            return;
        }

        Taps?.Leave();
        _configuration?.Delete();
        _neighbors?.Delete();
        _flows?.Delete();
    }

    public void Dispose()
    {
        _configuration?.Dispose();
        _neighbors?.Dispose();
        Taps?.Dispose();
    }

    private static FlowSizes SizesOf(LocalNodeSpec local, int workerCount) => FlowSizes.For(
        Share(local.ConntrackEntries, workerCount), Share(local.SnatEntries, workerCount), Share(local.AffinityEntries, workerCount));
}
