using System.Diagnostics;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The small process that holds a forwarder's TAPs open: when the forwarder is killed, the pods' links stay up and frames wait in their queues for the
/// next forwarder. A TAP without any open file would lose its carrier, also a persistent one. It reads no frame and knows nothing but names.
/// It ends when it is told to, when its socket is taken away, and when no forwarder has come for ten minutes.
/// </summary>
public static class TapKeeper
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <summary>Runs the keeper until its end.</summary>
    /// <param name="ready">Called when it can be asked.</param>
    /// <exception cref="DeviceException">The socket cannot be had.</exception>
    public static void Run(string socketPath, Action ready)
    {
        SystemCalls.LeaveSession();
        using Socket listener = Listen(socketPath);
        ready();
        Dictionary<string, FileDescriptor> files = [];
        List<Socket> clients = [];
        long lastSeen = Stopwatch.GetTimestamp();
        bool isWanted = true;
        while (isWanted && File.Exists(socketPath) && (clients.Count > 0 || Stopwatch.GetElapsedTime(lastSeen) < s_patience))
        {
            List<Socket> readable = [listener, .. clients];
            Socket.Select(readable, null, null, s_look);
            foreach (Socket socket in readable)
            {
                if (socket == listener)
                {
                    Socket client = listener.Accept();
                    KeeperSocket.Limit(client);
                    clients.Add(client);
                }
                else if (!TryServe(socket, files, ref isWanted))
                {
                    clients.Remove(socket);
                    socket.Dispose();
                    lastSeen = Stopwatch.GetTimestamp();
                }
            }
        }

        File.Delete(socketPath);
        foreach (FileDescriptor file in files.Values)
        {
            file.Dispose();
        }

        clients.ForEach(c => c.Dispose()); // Whoever waits for our end sees it when the files are closed.
    }

    private static Socket Listen(string socketPath)
    {
        try
        {
            Socket listener = KeeperSocket.New();
            File.Delete(socketPath); // Nobody answered there, or we would not have been started.
            listener.Bind(new UnixDomainSocketEndPoint(socketPath));
            listener.Listen();
            return listener;
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or ArgumentException)
        {
            throw new DeviceException($"keeper's socket {socketPath}: {e.Message}");
        }
    }

    private static bool TryServe(Socket client, Dictionary<string, FileDescriptor> files, ref bool isWanted)
    {
        try
        {
            if (!KeeperSocket.TryReceive(client, out KeeperSocket.Word word, out string name, out FileDescriptor? file))
            {
                return false;
            }

            switch (word)
            {
                case KeeperSocket.Word.Keep when file is not null:
                    Close(files, name);
                    files.Add(name, file);
                    break;
                case KeeperSocket.Word.Drop:
                    Close(files, name);
                    break;
                case KeeperSocket.Word.List:
                    foreach ((string kept, FileDescriptor held) in files)
                    {
                        KeeperSocket.Send(client, KeeperSocket.Word.Keep, kept, held);
                    }

                    break;
                case KeeperSocket.Word.Leave:
                    isWanted = false;
                    return true;
                default:
                    return false;
            }

            KeeperSocket.Send(client, KeeperSocket.Word.Done);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static void Close(Dictionary<string, FileDescriptor> files, string name)
    {
        if (files.Remove(name, out FileDescriptor? file))
        {
            file.Dispose();
        }
    }
}
