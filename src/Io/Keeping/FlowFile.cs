using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using Microsoft.Win32.SafeHandles;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The flow tables of a node in a file on tmpfs, which is memory that outlives its process: whoever starts next for the node finds the flows there. One
/// of another layout, other sizes or another number of workers is converted: a new file is made beside it, and takes its place once its entries are in.
/// A file that cannot be believed is set aside and the node begins with empty tables. The memory stays mapped until the process ends.
/// </summary>
public sealed class FlowFile
{
    private readonly MappedMemory _memory;
    private readonly string? _unfinished;
    private FlowFileHead _head;
    private FormerFile? _former;

    private FlowFile(string path, MappedMemory memory, FlowFileHead head, bool isKept, FormerFile? former = null)
    {
        Path = path;
        _memory = memory;
        _head = head;
        _former = former;
        _unfinished = former is null ? null : Unfinished(path);
        IsKept = isKept;
        Workers = [.. Enumerable.Range(0, head.WorkerCount).Select(MemoryOf)];
    }

    public string Path { get; }

    /// <summary>It holds what another process left, as it is wanted.</summary>
    public bool IsKept { get; }

    /// <summary>It is empty, and beside it lies what another process left: <see cref="ReadFormer"/> and <see cref="Replace"/>.</summary>
    public bool IsConversion => _former is not null;

    /// <summary>Of all hashes and of the dealing of ports: the same for every process that has the file.</summary>
    public ulong Seed => _head.Seed;

    /// <summary>How many processes have had the file, this one included.</summary>
    public ulong Generation => _head.Generation;

    /// <summary>The tables' memory, by worker.</summary>
    public IReadOnlyList<FlowMemory> Workers { get; }

    /// <summary>How the former file differs, for a person; empty where there is none.</summary>
    public string Difference => _former is null ? "" : DifferenceOf(_former.Head, _head);

    /// <summary>Takes up the node's file, or makes one.</summary>
    /// <param name="directory">On tmpfs; made if need be.</param>
    /// <param name="node">Cluster and name, west/worker.</param>
    /// <param name="seed">For a new file.</param>
    /// <param name="log">Gets one sentence when a file is refused.</param>
    /// <param name="isTakeover">The file is a running process's, and becomes ours by <see cref="Own"/>.</param>
    /// <exception cref="DeviceException">The file cannot be had, or a running process has it.</exception>
    public static FlowFile Open(string directory, string node, int workerCount, in FlowSizes sizes, ulong seed, Action<string> log, bool isTakeover = false)
    {
        try
        {
            RequireMemory(directory);
            string path = System.IO.Path.Combine(directory, node.Replace('/', '.') + ".flows");
            FlowFileHead own = new(
                FlowLayout.Current.Number, workerCount, sizes, seed, 1, Environment.ProcessId, ProcessIdentity.StartOf(Environment.ProcessId), node, ProcessIdentity.Boot);
            if (File.Exists(path))
            {
                if (TryTake(path, own, isTakeover, out string refusal) is { } kept)
                {
                    return kept;
                }

                if (isTakeover)
                {
                    throw new DeviceException($"flow tables {path} cannot be taken over: {refusal}; the other forwarder goes on");
                }

                File.Move(path, path + ".refused", overwrite: true);
                log($"flow tables {path}: {refusal}; set aside as {path}.refused, the node begins with empty tables");
            }

            return Make(path, own, former: null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DeviceException($"flow tables in {directory}: {e.Message}");
        }
    }

    /// <summary>The process that had the file has let go of it. One that is being converted is ours once it is replaced.</summary>
    public void Own()
    {
        if (_former is null)
        {
            WriteHead(_head with
            {
                Generation = _head.Generation + 1,
                OwnerId = Environment.ProcessId,
                OwnerStart = ProcessIdentity.StartOf(Environment.ProcessId),
            });
        }
    }

    /// <summary>What the former file holds at this moment.</summary>
    public FormerFlows ReadFormer() => _former!.Read();

    /// <summary>What is wanted of the former file is in this one, which takes its place.</summary>
    public void Replace()
    {
        File.Move(_unfinished!, Path, overwrite: true);
        _former!.Dispose();
        _former = null;
    }

    /// <summary>The node does not come up: what was found stays as it was.</summary>
    public void Abandon()
    {
        if (_former is not null)
        {
            File.Delete(_unfinished!);
        }
    }

    /// <summary>The node ends for good: nobody is to find its flows.</summary>
    public void Delete() => File.Delete(Path);

    private static void RequireMemory(string directory)
    {
        if (!OperatingSystem.IsWindows() && !Directory.Exists(directory))
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        string format = new DriveInfo(directory).DriveFormat;
        if (format is not ("tmpfs" or "ramfs"))
        {
            throw new DeviceException($"flow tables in {directory}: that is {format}, whose pages are written to a disk; give a directory on tmpfs, for example /dev/shm/cmesh");
        }
    }

    private static FlowFile Make(string path, FlowFileHead head, FormerFile? former)
    {
        // Under another name until it is whole. All of its memory is taken now: a page that cannot be had later would be the end of the process.
        string unfinished = Unfinished(path);
        File.Delete(unfinished);
        long length = LengthOf(head);
        using (SafeFileHandle file = OpenFile(unfinished, FileMode.CreateNew, length))
        {
            RandomAccess.SetLength(file, length);
            var made = new FlowFile(path, MappedMemory.OfFile(file, 0, length), head, isKept: false, former);
            made.WriteHead(head);
            if (former is null)
            {
                File.Move(unfinished, path, overwrite: true);
            }

            return made;
        }
    }

    /// <returns>Null when the file is not to be believed.</returns>
    private static FlowFile? TryTake(string path, FlowFileHead own, bool isTakeover, out string refusal)
    {
        using SafeFileHandle file = OpenFile(path, FileMode.Open, 0);
        if (ReadHead(file, out refusal) is not { } head)
        {
            return null;
        }

        if (!isTakeover && head.OwnerStart != 0 && ProcessIdentity.IsRunning(head.OwnerId, head.OwnerStart) && head.Boot == own.Boot && head.OwnerId != own.OwnerId)
        {
            throw new DeviceException($"flow tables {path} belong to process {head.OwnerId}, which runs; stop it first, or start with --takeover");
        }

        long length = RandomAccess.GetLength(file);
        FlowLayout? layout = FlowLayout.Find(head.Layout, head.WorkerCount, head.Sizes, length);
        refusal = RefusalOf(head, own, layout, length);
        if (refusal.Length > 0)
        {
            return null;
        }

        MappedMemory memory = MappedMemory.OfFile(file, 0, length);
        if (DifferenceOf(head, own).Length > 0)
        {
            var former = new FormerFile(memory, layout!, head);
            FlowFileHead next = own with { Seed = head.Seed, Generation = head.Generation + 1 };
            if (!isTakeover)
            {
                former.Own(head with { Generation = next.Generation, OwnerId = own.OwnerId, OwnerStart = own.OwnerStart });
            }

            return Make(path, next, former);
        }

        var kept = new FlowFile(path, memory, head, isKept: true);
        if (!isTakeover)
        {
            kept.Own();
        }

        return kept;
    }

    private static FlowFileHead? ReadHead(SafeFileHandle file, out string refusal)
    {
        byte[] heads = new byte[2 * FlowFileHead.Length];
        int length = RandomAccess.Read(file, heads, 0);
        FlowFileHead? even = FlowFileHead.Read(heads.AsSpan(0, Math.Min(length, FlowFileHead.Length)), out refusal);
        FlowFileHead? odd = FlowFileHead.Read(heads.AsSpan(FlowFileHead.Length, Math.Max(0, length - FlowFileHead.Length)), out string other);
        refusal = refusal.Length > 0 && other.Length > 0 ? refusal : "";
        return odd is null || even?.Generation > odd.Generation ? even : odd;
    }

    private static string RefusalOf(FlowFileHead head, FlowFileHead own, FlowLayout? layout, long length) =>
        head.Node != own.Node ? $"it is of node {head.Node}"
        : head.Boot != own.Boot ? "it is from before the machine's last start"
        : !FlowLayout.IsKnown(head.Layout) ? $"its layout is {head.Layout}, which this program does not know; its own is {own.Layout}"
        : layout is null ? $"it has {length} bytes, which does not fit its head" : "";

    private static string DifferenceOf(FlowFileHead head, FlowFileHead own)
    {
        string[] differences =
        [
            head.Layout != own.Layout ? $"layout {head.Layout} instead of {own.Layout}" : "",
            head.WorkerCount != own.WorkerCount ? $"{head.WorkerCount} workers instead of {own.WorkerCount}" : "",
            head.Sizes != own.Sizes ? "other sizes" : "",
        ];
        return string.Join(", ", differences.Where(d => d.Length > 0));
    }

    private static string Unfinished(string path) => path + ".new";

    private static SafeFileHandle OpenFile(string path, FileMode mode, long length)
    {
        using var stream = new FileStream(path, new FileStreamOptions
        {
            Mode = mode,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            BufferSize = 0,
            PreallocationSize = length,
        });
        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
    }

    /// <summary>Bytes of the flow tables of all workers, in the file or in memory.</summary>
    public static long LengthOf(int workerCount, in FlowSizes sizes) => FlowLayout.Current.FileLength(workerCount, sizes);

    private static long LengthOf(FlowFileHead head) => FlowLayout.Current.FileLength(head.WorkerCount, head.Sizes);

    private void WriteHead(FlowFileHead head)
    {
        head.WriteTo(_memory.Span((long)(head.Generation & 1) * FlowFileHead.Length, FlowFileHead.Length));
        _head = head;
    }

    private FlowMemory MemoryOf(int worker)
    {
        FlowSizes sizes = _head.Sizes;
        FlowLayout layout = FlowLayout.Current;
        return new FlowMemory(
            new MappedRows<ConntrackEntry>(_memory, layout.ConntrackOffset(worker, sizes), sizes.Conntrack, IsKept),
            new MappedRows<SnatEntry>(_memory, layout.SnatOffset(worker, sizes), sizes.Snat, IsKept),
            new MappedRows<AffinityEntry>(_memory, layout.AffinityOffset(worker, sizes), sizes.AffinityPlaces, IsKept),
            new MappedRows<FragmentEntry>(_memory, layout.FragmentOffset(worker, sizes), sizes.Fragments, IsKept));
    }
}
