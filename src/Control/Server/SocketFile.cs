using System.Net.Sockets;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>Puts a listening socket at a path, or says why not.</summary>
public static class SocketFile
{
    private const UnixFileMode OwnMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <param name="mode">Who may connect; 0660 unless given.</param>
    public static Socket Listen(string path, UnixFileMode mode = OwnMode)
    {
        UnixDomainSocketEndPoint address = AddressOf(path);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ControlConnectionException($"{path}: its directory cannot be made ({fault.Message}); give another socket or run with more rights", fault);
        }

        if (File.Exists(path))
        {
            RemoveStale(path, address);
        }

        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Between bind and listen the file may have a wider mode, but nobody can connect to a socket that does not listen yet:
            // the kernel checks the mode at connect. So there is no window, and the process-wide umask stays alone.
            socket.Bind(address);
            File.SetUnixFileMode(path, mode);
            socket.Listen(64);
            return socket;
        }
        catch (Exception fault) when (fault is SocketException or IOException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw new ControlConnectionException($"{path}: cannot listen there ({fault.Message}); give another socket or run with more rights", fault);
        }
    }

    public static UnixDomainSocketEndPoint AddressOf(string path)
    {
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentException fault)
        {
            throw new ControlConnectionException($"{path}: a socket's path must have 1 to 107 bytes; give a shorter one", fault);
        }
    }

    private static void RemoveStale(string path, UnixDomainSocketEndPoint address)
    {
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(address);
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // A regular file refuses connections too; only a socket is ours to remove.
            if (new FileInfo(path).Length != 0 || !IsSocket(path))
            {
                throw new ControlConnectionException($"{path} is there and is no socket; remove it or give another socket", fault);
            }

            File.Delete(path);
            return;
        }
        catch (SocketException fault)
        {
            throw new ControlConnectionException($"{path}: what is there cannot be examined ({fault.Message}); remove it or give another socket", fault);
        }

        throw new ControlConnectionException($"another process answers on {path}; stop it or give another socket");
    }

    /// <summary>Opening a socket file fails (ENXIO), opening a regular file of ours does not.</summary>
    private static bool IsSocket(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
