using System.Net.Sockets;
using System.Runtime.InteropServices;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// The small process beside a sandboxed forwarder that keeps the right to enter namespaces: it makes TAPs and hands their files over. It reads no
/// frame, listens nowhere, and ends when the forwarder does. What it is asked it checks as if a person had.
/// </summary>
public static class PortOpenerProcess
{
    /// <summary>Serves until the forwarder is gone.</summary>
    /// <param name="file">Number of the inherited socket.</param>
    public static void Run(int file)
    {
        SystemCalls.LeaveSession();

        // Who stops a service signals all of its processes: the forwarder may still need this one on its way out.
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => c.Cancel = true);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => c.Cancel = true);
        ProcessRights.KeepToOurselves(file);
        using Socket socket = OpenerSocket.Of(file);
        Dictionary<string, HostRouteTable> tables = [];
        try
        {
            while (OpenerSocket.ReceiveRequest(socket) is { } request)
            {
                Serve(socket, request, tables);
            }
        }
        catch (SocketException)
        {
            // The forwarder was killed.
        }
    }

    private static void Serve(Socket socket, OpenerRequest request, Dictionary<string, HostRouteTable> tables)
    {
        TunFile[] queues = [];
        try
        {
            OpenerAnswer answer = new(null);
            switch (request.Word)
            {
                case OpenerWord.Make:
                    (queues, ulong inode, int index, MacAddress mac) = TapDevice.Make(request.Tap!.ToSettings(), request.QueueCount);
                    answer = new OpenerAnswer(null, inode, index, mac.ToString(), queues.Length);
                    break;
                case OpenerWord.Join:
                    queues = [TapDevice.Join(request.Namespace, request.Interface)];
                    answer = new OpenerAnswer(null, FileCount: 1);
                    break;
                case OpenerWord.Find:
                    (inode, index, mac) = TapDevice.Find(request.Namespace, request.Interface);
                    answer = new OpenerAnswer(null, inode, index, index == 0 ? "" : mac.ToString());
                    break;
                case OpenerWord.ReplaceRoute:
                    TableOf(tables, request.Namespace).Replace(IpPrefix.Parse(request.Prefix), IpAddress.Parse(request.Via), request.Interface,
                        request.Source is null ? null : IpAddress.Parse(request.Source));
                    break;
                default:
                    answer = new OpenerAnswer(null, IsDone: TableOf(tables, request.Namespace).Delete(IpPrefix.Parse(request.Prefix)));
                    break;
            }

            OpenerSocket.Send(socket, answer, [.. queues.Select(q => q.File)]);
        }
        catch (Exception e) when (e is DeviceException or FormatException or ArgumentException)
        {
            OpenerSocket.Send(socket, new OpenerAnswer(e.Message), []);
        }
        finally
        {
            Array.ForEach(queues, q => q.Dispose());
        }
    }

    /// <summary>One that was opened in a namespace that is gone fails, and is opened anew the next time.</summary>
    private static HostRouteTable TableOf(Dictionary<string, HostRouteTable> tables, string ns)
    {
        if (!tables.TryGetValue(ns, out HostRouteTable? table))
        {
            tables[ns] = table = HostRouteTable.Open(ns, PortOpener.Here);
        }

        return table;
    }
}
