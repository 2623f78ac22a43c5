using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline;
using Microsoft.Win32.SafeHandles;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The flow tables of a node in a file on tmpfs, which is memory that outlives its process: whoever starts next for the node finds the flows there.
/// A file that cannot be believed is set aside and the node begins with empty tables. The memory stays mapped until the process ends.
/// </summary>
public sealed class FlowFile
{
    /// <summary>
    /// How head and entries are laid out. To be counted up with every change of <see cref="ConntrackEntry"/>, <see cref="SnatEntry"/>,
    /// <see cref="AffinityEntry"/>, <see cref="FragmentEntry"/>, <see cref="TableRows{T}"/> or the order of tables.
    /// </summary>
    public const uint Layout = 1;

    private const long TablesOffset = 4096;
    private const long Page = 4096;

    private readonly MappedMemory _memory;
    private FlowFileHead _head;

    private FlowFile(string path, MappedMemory memory, FlowFileHead head, bool isKept)
    {
        Path = path;
        _memory = memory;
        _head = head;
        IsKept = isKept;
        Workers = [.. Enumerable.Range(0, head.WorkerCount).Select(MemoryOf)];
    }

    public string Path { get; }

    /// <summary>It holds what another process left.</summary>
    public bool IsKept { get; }

    /// <summary>Of all hashes and of the dealing of ports: the same for every process that has the file.</summary>
    public ulong Seed => _head.Seed;

    /// <summary>How many processes have had the file, this one included.</summary>
    public ulong Generation => _head.Generation;

    /// <summary>The tables' memory, by worker.</summary>
    public IReadOnlyList<FlowMemory> Workers { get; }

    /// <summary>Takes up the node's file, or makes one.</summary>
    /// <param name="directory">On tmpfs; made if need be.</param>
    /// <param name="node">Cluster and name, west/worker.</param>
    /// <param name="seed">For a new file.</param>
    /// <param name="log">Gets one sentence when a file is refused.</param>
    /// <param name="isTakeover">The file is a running process's: it must be as it is wanted, and becomes ours by <see cref="Own"/>.</param>
    /// <exception cref="DeviceException">The file cannot be had, or a running process has it.</exception>
    public static FlowFile Open(string directory, string node, int workerCount, in FlowSizes sizes, ulong seed, Action<string> log, bool isTakeover = false)
    {
        try
        {
            RequireMemory(directory);
            string path = System.IO.Path.Combine(directory, node.Replace('/', '.') + ".flows");
            FlowFileHead own = new(
                Layout, workerCount, sizes, seed, 1, Environment.ProcessId, ProcessIdentity.StartOf(Environment.ProcessId), node, ProcessIdentity.Boot);
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

            return Make(path, own);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DeviceException($"flow tables in {directory}: {e.Message}");
        }
    }

    /// <summary>The process that had the file has let go of it.</summary>
    public void Own() => WriteHead(_head with
    {
        Generation = _head.Generation + 1,
        OwnerId = Environment.ProcessId,
        OwnerStart = ProcessIdentity.StartOf(Environment.ProcessId),
    });

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

    private static FlowFile Make(string path, FlowFileHead head)
    {
        // Under another name until it is whole. All of its memory is taken now: a page that cannot be had later would be the end of the process.
        string unfinished = path + ".new";
        File.Delete(unfinished);
        long length = LengthOf(head);
        using (SafeFileHandle file = OpenFile(unfinished, FileMode.CreateNew, length))
        {
            RandomAccess.SetLength(file, length);
            var made = new FlowFile(path, MappedMemory.OfFile(file, 0, length), head, isKept: false);
            made.WriteHead(head);
            File.Move(unfinished, path, overwrite: true);
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

        if (!isTakeover && head.OwnerStart != 0 && ProcessIdentity.StartOf(head.OwnerId) == head.OwnerStart && head.Boot == own.Boot && head.OwnerId != own.OwnerId)
        {
            throw new DeviceException($"flow tables {path} belong to process {head.OwnerId}, which runs; stop it first, or start with --takeover");
        }

        refusal = RefusalOf(head, own, RandomAccess.GetLength(file));
        if (refusal.Length > 0)
        {
            return null;
        }

        var kept = new FlowFile(path, MappedMemory.OfFile(file, 0, LengthOf(head)), head, isKept: true);
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

    private static string RefusalOf(FlowFileHead head, FlowFileHead own, long length) =>
        head.Node != own.Node ? $"it is of node {head.Node}"
        : head.Boot != own.Boot ? "it is from before the machine's last start"
        : head.Layout != own.Layout ? $"its layout is {head.Layout} and this program's {own.Layout}"
        : head.WorkerCount != own.WorkerCount ? $"it is of {head.WorkerCount} workers and there are {own.WorkerCount} now"
        : head.Sizes != own.Sizes ? "its tables have other sizes than the node file's"
        : length != LengthOf(head) ? $"it has {length} bytes and not {LengthOf(head)}" : "";

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

    private static long LengthOf(FlowFileHead head) => TablesOffset + (head.WorkerCount * WorkerLength(head.Sizes));

    private static long WorkerLength(in FlowSizes sizes) => (sizes.MemoryLength + Page - 1) / Page * Page;

    private void WriteHead(FlowFileHead head)
    {
        head.WriteTo(_memory.Span((long)(head.Generation & 1) * FlowFileHead.Length, FlowFileHead.Length));
        _head = head;
    }

    private FlowMemory MemoryOf(int worker)
    {
        FlowSizes sizes = _head.Sizes;
        long start = TablesOffset + (worker * WorkerLength(sizes));
        long snat = start + sizes.ConntrackLength;
        long affinity = snat + sizes.SnatLength;
        return FlowMemory.Over(
            sizes,
            _memory.Span(start, sizes.ConntrackLength),
            _memory.Span(snat, sizes.SnatLength),
            _memory.Span(affinity, sizes.AffinityLength),
            _memory.Span(affinity + sizes.AffinityLength, sizes.FragmentLength),
            this,
            IsKept);
    }
}
