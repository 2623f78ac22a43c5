using Tmds.Linux;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>The file that stands for a network namespace.</summary>
internal sealed class NamespaceFile : IDisposable
{
    private readonly FileDescriptor _file;
    private readonly string _name;
    private readonly string _path;

    private NamespaceFile(FileDescriptor file, string name, string path)
    {
        _file = file;
        _name = name;
        _path = path;
    }

    public static NamespaceFile Open(string name, string path)
    {
        int result = SystemCalls.Open(path, LibC.O_RDONLY, out FileDescriptor? file);
        return file is not null
            ? new NamespaceFile(file, name, path)
            : throw new DeviceException(-result == KernelError.NoEntry
                ? $"network namespace '{name}' does not exist ({path}); create it with: ip netns add {name}"
                : $"network namespace '{name}': open {path}: {new KernelError(-result)}");
    }

    /// <summary>Moves the calling thread, and it alone, into the namespace.</summary>
    public void Enter()
    {
        ObjectDisposedException.ThrowIf(_file.IsClosed, this);
        int result = SystemCalls.EnterNetworkNamespace(_file);
        if (result < 0)
        {
            throw new DeviceException(-result == KernelError.Invalid
                ? $"'{_name}' is no network namespace ({_path} is an ordinary file); remove it and create it with: ip netns add {_name}"
                : $"network namespace '{_name}': setns {_path}: {new KernelError(-result)}");
        }
    }

    /// <summary>Tells two namespaces apart that had the same name one after the other.</summary>
    public ulong ReadInode() => SystemCalls.ReadInode(_file, out ulong inode) < 0
        ? throw new DeviceException($"network namespace '{_name}': {_path} cannot be examined")
        : inode;

    public void Dispose() => _file.Dispose();
}
