using System.Buffers;
using System.Diagnostics;
using System.Text;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// Makes TAPs: created inside their namespace (moving one there costs 15 times as much), configured over rtnetlink, handed out ready.
/// The device lives as long as its <see cref="TapPort"/>, and an open port keeps its namespace alive.
/// </summary>
public static class TapDevice
{
    // Behind a process that was just killed the kernel removes its TAPs some 100 to 200 ms later.
    private static readonly TimeSpan s_departure = TimeSpan.FromSeconds(1);

    private const int LongestInterfaceName = 15;

    // The kernel refuses most of these and makes tap0 of tap%d.
    private static readonly SearchValues<char> s_notInNames = SearchValues.Create("/:% \t\r\n\0");

    /// <exception cref="DeviceException">Nothing was made, or what was made is gone again.</exception>
    public static TapPort Create(TapSettings settings) => CreateQueues(settings, 1)[0];

    /// <summary>A TAP with several queues, each a port to be served by a worker of its own; the kernel chooses by the flow. The device lives until all are closed.</summary>
    /// <exception cref="DeviceException">Nothing was made, or what was made is gone again.</exception>
    /// <param name="kept">Has the TAPs of a forwarder before this one, and is given the new ones; null for TAPs that end with this process.</param>
    /// <param name="opener">Who makes it; this process when null.</param>
    public static TapPort[] CreateQueues(TapSettings settings, int count, KeptTaps? kept = null, PortOpener? opener = null)
    {
        opener ??= PortOpener.Here;
        try
        {
            Check(settings);
            if (kept is not null && TryAdopt(settings, opener, count, kept) is { } adopted)
            {
                return adopted;
            }

            (TunFile[] queues, ulong inode, int index, MacAddress mac) = opener.Make(settings, count);
            try
            {
                string[] names = [.. queues.Select((_, i) => KeptTaps.NameOf(settings, inode, i, count))];
                for (int i = 0; i < count; i++)
                {
                    kept?.Keep(names[i], queues[i].File);
                }

                return PortsOf(settings, Offer(queues, settings), queues, names, index, mac, inode, kept);
            }
            catch
            {
                Array.ForEach(queues, q => q.Dispose());
                throw;
            }
        }
        catch (DeviceException e)
        {
            throw new DeviceException($"{settings.Name}: {e.Message}");
        }
    }

    /// <summary>Made in this process, which needs the rights for it.</summary>
    internal static (TunFile[] Queues, ulong Inode, int LinkIndex, MacAddress Mac) Make(TapSettings settings, int count)
    {
        Check(settings);
        using NetworkNamespace ns = NetworkNamespace.Open(settings.Namespace);

        // Both belong to the namespace in which they were opened; everything else can be said from here.
        (TunFile[] queues, RtNetlink netlink) = ns.Run(() => OpenInside(count));
        using (netlink)
        {
            try
            {
                Claim(queues[0], netlink, settings, withQueues: count > 1);
                Array.ForEach(queues[1..], q => q.Join(settings.Interface));
                Offer(queues, settings);
                Link link = SetUp(netlink, settings);
                return (queues, ns.Inode, link.Index, link.Mac);
            }
            catch
            {
                Array.ForEach(queues, q => q.Dispose());
                throw;
            }
        }
    }

    /// <summary>A further queue of an interface that is there, made in this process.</summary>
    internal static TunFile Join(string name, string interfaceName)
    {
        using NetworkNamespace ns = NetworkNamespace.Open(name);
        TunFile queue = ns.Run(TunFile.Open);
        try
        {
            queue.Join(interfaceName);
            return queue;
        }
        catch
        {
            queue.Dispose();
            throw;
        }
    }

    /// <summary>The namespace's number, and what the interface is there; index 0 for one that is not, or when none is named.</summary>
    internal static (ulong Inode, int LinkIndex, MacAddress Mac) Find(string name, string interfaceName)
    {
        using NetworkNamespace ns = NetworkNamespace.Open(name);
        if (interfaceName.Length == 0)
        {
            return (ns.Inode, 0, default);
        }

        using RtNetlink netlink = ns.Run(RtNetlink.Open);
        return netlink.FindLink(interfaceName) is { } link ? (ns.Inode, link.Index, link.Mac) : (ns.Inode, 0, default);
    }

    private static TapPort[] PortsOf(
        TapSettings settings, TapOffloads offloads, TunFile[] queues, string[] names, int index, MacAddress mac, ulong inode, KeptTaps? kept) =>
        [.. queues.Select((q, i) => new TapPort(settings with { Offloads = offloads }, q, index, mac, inode, () => kept?.Drop(names[i])))];

    /// <summary>The device as a forwarder before this one left it: nothing of it is touched that the pod could see. Queues come and go with the workers.</summary>
    private static TapPort[]? TryAdopt(TapSettings settings, PortOpener opener, int count, KeptTaps kept)
    {
        (ulong inode, int index, MacAddress mac) = opener.Find(settings.Namespace, settings.Interface);
        (string Name, FileDescriptor File)[] taken = kept.TakeQueues(settings, inode, count);
        TunFile?[] found = [.. taken.Select(t => TunFile.TryAdopt(t.File))];
        if (index == 0 || found.Length == 0 || Array.Exists(found, q => q is null) || (found.Length < count && !found[0]!.TakesQueues))
        {
            foreach ((string name, FileDescriptor file) in taken)
            {
                file.Dispose();
                kept.Drop(name);
            }

            return kept.IsForeign && index != 0 ? throw new DeviceException(
                $"interface {settings.Interface} in namespace {settings.Namespace} is not set up as this forwarder wants it ({(found.Length > 0 ? $"it has one queue, and {count} workers want one each" : "its settings in the node file differ")}), "
                + "and cannot be taken over; the other forwarder goes on: stop it and start this one")
                : null;
        }

        List<TunFile> queues = [.. found.Select(q => q!)];
        List<string> names = [.. taken.Select(t => t.Name)];
        while (queues.Count < count)
        {
            TunFile queue = opener.Join(settings.Namespace, settings.Interface);
            queues.Add(queue);
            names.Add(KeptTaps.NameOf(settings, inode, names.Count, count));
            kept.Keep(names[^1], queue.File);
        }

        return PortsOf(settings, Offer([.. queues], settings), [.. queues], [.. names], index, mac, inode, kept);
    }

    private static void Check(TapSettings settings)
    {
        string name = settings.Interface;

        if (name.Length == 0 || Encoding.UTF8.GetByteCount(name) > LongestInterfaceName || name is "." or ".."
            || name.AsSpan().ContainsAny(s_notInNames))
        {
            throw new DeviceException($"'{name}' is no interface name; give 1 to {LongestInterfaceName} characters without '/', ':', '%' and blanks");
        }

        // With those of tunnels, which go beside all others, the header is longer.
        TapOffloads plain = (settings.Offloads & TapOffloads.All) == TapOffloads.All ? settings.Offloads & ~TapOffloads.Tunnels : settings.Offloads;
        if ((plain & ~TapOffloads.All) != 0)
        {
            throw new DeviceException($"offloads {(int)settings.Offloads:x} of interface {name}: only {(int)TapOffloads.All:x} can be read with a virtio header of 10 bytes");
        }
    }

    private static (TunFile[] Queues, RtNetlink Netlink) OpenInside(int count)
    {
        var queues = new List<TunFile>(count);
        try
        {
            for (int i = 0; i < count; i++)
            {
                queues.Add(TunFile.Open());
            }

            return ([.. queues], RtNetlink.Open());
        }
        catch
        {
            queues.ForEach(q => q.Dispose());
            throw;
        }
    }

    private static void Claim(TunFile tun, RtNetlink netlink, TapSettings settings, bool withQueues)
    {
        long start = Stopwatch.GetTimestamp();
        while (!tun.TryClaim(settings.Interface, withQueues))
        {
            // Only a TAP can be one whose process is just going; for all else waiting is vain.
            Link? other = netlink.FindLink(settings.Interface);
            if (other is { Kind: not "tun" } || Stopwatch.GetElapsedTime(start) > s_departure)
            {
                throw new DeviceException(
                    $"interface {settings.Interface} in namespace {settings.Namespace} is already there (is another forwarder running for it?)");
            }

            Thread.Sleep(5); // no event tells that an interface of this name went without a race against its next owner
        }
    }

    /// <summary>Says what we take, on all queues; what the kernel cannot give is left out.</summary>
    private static TapOffloads Offer(TunFile[] queues, TapSettings settings)
    {
        TapOffloads taken = settings.Offloads;
        foreach (TunFile queue in queues)
        {
            taken = queue.SetOffloads(taken);
        }

        return taken;
    }

    private static Link SetUp(RtNetlink netlink, TapSettings settings)
    {
        if (settings.WithLoopback)
        {
            netlink.SetUp(Find(netlink, "lo", settings));
        }

        Link link = Find(netlink, settings.Interface, settings);
        if (settings.Mac is { } mac)
        {
            netlink.SetMac(link, mac);
        }

        netlink.SetMtu(link, settings.Mtu);
        if (settings.QueueLength is { } length)
        {
            netlink.SetQueueLength(link, length);
        }

        if (settings.Bridge is { } bridge)
        {
            Link master = netlink.FindLink(bridge) ?? throw new DeviceException(
                $"bridge {bridge} does not exist in namespace {settings.Namespace}; create it with: ip -n {settings.Namespace} link add {bridge} type bridge");
            netlink.SetMaster(link, master);
        }

        foreach (TapAddress address in settings.Addresses)
        {
            netlink.AddAddress(link, address);
        }

        // Routes need the link up, and a pod should not be seen up without its address.
        netlink.SetUp(link);
        foreach (TapRoute route in settings.Routes)
        {
            netlink.AddRoute(link, route);
        }

        return Find(netlink, settings.Interface, settings);
    }

    private static Link Find(RtNetlink netlink, string name, TapSettings settings) =>
        netlink.FindLink(name) ?? throw new DeviceException($"interface {name} in namespace {settings.Namespace} is gone; was it deleted by somebody else?");
}
