using System.Globalization;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Does what needs rights over other namespaces: makes TAPs, looks at interfaces, sets routes of the node's own stack. In a sandboxed forwarder,
/// which has no rights, each is a question to a small process that has (<see cref="PortOpenerProcess"/>); in any other it is done here. Any thread.
/// </summary>
public sealed class PortOpener : IDisposable
{
    /// <summary>The environment's name for the number of the inherited socket.</summary>
    internal const string Variable = "CMESH_OPENER";

    private readonly Lock _gate = new(); // one question and its answer at a time
    private readonly Socket? _socket;

    private PortOpener(Socket? socket) => _socket = socket;

    /// <summary>Everything in this process.</summary>
    public static PortOpener Here { get; } = new(null);

    /// <summary>The process that <see cref="Sandbox.Enter"/> started, or this one when it was not called.</summary>
    public static PortOpener FromEnvironment()
    {
        if (!Sandbox.IsInside || !int.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.None, CultureInfo.InvariantCulture, out int file))
        {
            return Here;
        }

        Environment.SetEnvironmentVariable(Variable, null);
        ProcessRights.KeepToOurselves(file);
        return new PortOpener(OpenerSocket.Of(file));
    }

    /// <summary>Whether another process does it.</summary>
    public bool IsElsewhere => _socket is not null;

    /// <summary>Number of the namespace that the name stands for now; 0 for none.</summary>
    public ulong InodeOf(string ns)
    {
        try
        {
            return Find(ns, "").Inode;
        }
        catch (DeviceException)
        {
            return 0;
        }
    }

    public void Dispose() => _socket?.Dispose();

    /// <summary>The queues of a new TAP and what the kernel calls it.</summary>
    /// <exception cref="DeviceException">Nothing was made.</exception>
    internal (TunFile[] Queues, ulong Inode, int LinkIndex, MacAddress Mac) Make(TapSettings settings, int queueCount)
    {
        if (_socket is null)
        {
            return TapDevice.Make(settings, queueCount);
        }

        OpenerAnswer answer = Ask(new OpenerRequest(OpenerWord.Make, settings.Namespace, Tap: TapText.Of(settings), QueueCount: queueCount), out FileDescriptor[] files);
        TunFile?[] queues = Array.ConvertAll(files, TunFile.TryAdopt);
        if (queues.Length == queueCount && !Array.Exists(queues, q => q is null))
        {
            return ([.. queues.Select(q => q!)], answer.Inode, answer.LinkIndex, MacAddress.Parse(answer.LinkMac));
        }

        Array.ForEach(files, f => f.Dispose());
        throw new DeviceException($"interface {settings.Interface} in namespace {settings.Namespace} is gone again");
    }

    /// <summary>The namespace's number, and the interface's there; index 0 for one that is not.</summary>
    /// <exception cref="DeviceException">No such namespace.</exception>
    internal (ulong Inode, int LinkIndex, MacAddress Mac) Find(string ns, string interfaceName)
    {
        if (_socket is null)
        {
            return TapDevice.Find(ns, interfaceName);
        }

        OpenerAnswer answer = Ask(new OpenerRequest(OpenerWord.Find, ns, interfaceName), out _);
        return (answer.Inode, answer.LinkIndex, answer.LinkMac.Length == 0 ? default : MacAddress.Parse(answer.LinkMac));
    }

    /// <summary>A further queue of an interface that is there.</summary>
    internal TunFile Join(string ns, string interfaceName)
    {
        if (_socket is null)
        {
            return TapDevice.Join(ns, interfaceName);
        }

        Ask(new OpenerRequest(OpenerWord.Join, ns, interfaceName), out FileDescriptor[] files);
        return (files.Length == 1 ? TunFile.TryAdopt(files[0]) : null) ?? throw new DeviceException($"interface {interfaceName} in namespace {ns} is gone again");
    }

    internal void ReplaceRoute(string ns, string interfaceName, IpPrefix prefix, IpAddress via, IpAddress? source) =>
        Ask(new OpenerRequest(OpenerWord.ReplaceRoute, ns, interfaceName, Prefix: prefix.ToString(), Via: via.ToString(), Source: source?.ToString()), out _);

    internal bool DeleteRoute(string ns, IpPrefix prefix) => Ask(new OpenerRequest(OpenerWord.DeleteRoute, ns, Prefix: prefix.ToString()), out _).IsDone;

    private OpenerAnswer Ask(OpenerRequest request, out FileDescriptor[] files)
    {
        lock (_gate)
        {
            try
            {
                OpenerSocket.Send(_socket!, request);
                OpenerAnswer answer = OpenerSocket.ReceiveAnswer(_socket!, out files);
                return answer.Refusal is null ? answer : throw new DeviceException(answer.Refusal);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                throw new DeviceException("the process that opens ports is gone; packets go on, but start the forwarder again to change ports");
            }
        }
    }
}
