using System.Runtime.ExceptionServices;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// A network namespace, held open: it cannot vanish while this object lives. Used when devices and sockets are made inside it;
/// what was opened there keeps belonging to it and works from any thread.
/// </summary>
public sealed class NetworkNamespace : IDisposable
{
    private const string Folder = "/run/netns/";

    private readonly NamespaceFile _file;

    private NetworkNamespace(string name, NamespaceFile file)
    {
        Name = name;
        Inode = file.ReadInode();
        _file = file;
    }

    /// <summary>As it was given to <see cref="Open"/>.</summary>
    public string Name { get; }

    /// <summary>The kernel's number of the namespace: another one under the same name has another number.</summary>
    public ulong Inode { get; }

    /// <param name="name">A name under /run/netns or an absolute path.</param>
    /// <exception cref="DeviceException">No such namespace, or no right to open it.</exception>
    public static NetworkNamespace Open(string name)
    {
        bool absolute = name.StartsWith('/');
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || !absolute && (name is "." or ".." || name.Contains('/', StringComparison.Ordinal)))
        {
            throw new DeviceException($"network namespace '{name}': give a name under {Folder} or an absolute path");
        }

        return new NetworkNamespace(name, NamespaceFile.Open(name, absolute ? name : Folder + name));
    }

    /// <summary>
    /// Runs the action inside the namespace, on a thread of its own that ends with it (setns changes one thread only), and waits for it.
    /// The action must not start threads, tasks or timers: a thread born there would stay in the namespace unseen.
    /// </summary>
    /// <returns>What the action returns; what it throws is thrown here.</returns>
    public T Run<T>(Func<T> action)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                _file.Enter();
                result = action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        {
            IsBackground = true,
            Name = $"netns {Name}",
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    /// <inheritdoc cref="Run{T}(Func{T})"/>
    public void Run(Action action) => Run<object?>(() =>
    {
        action();
        return null;
    });

    public void Dispose() => _file.Dispose();
}
