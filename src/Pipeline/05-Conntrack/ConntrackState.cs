using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>How a packet moves a conntrack entry: counts, TCP state, lifetime (cilium bpf/lib/conntrack.h is the behaviour followed).</summary>
public static class ConntrackState
{
    /// <summary>A SYN and two repetitions of it, within the first three seconds.</summary>
    private const ulong MostPacketsOfBeginning = 3;

    public static void Update(ref ConntrackEntry entry, IpProtocol protocol, TcpFlags tcpFlags, bool isReply, int length, MonoTime now)
    {
        entry.Packets++;
        entry.Bytes += (uint)length;
        if (isReply)
        {
            entry.LastRx = now.Seconds;
            entry.RxFlagsSeen |= tcpFlags;
        }
        else
        {
            entry.LastTx = now.Seconds;
            entry.TxFlagsSeen |= tcpFlags;
        }

        if (protocol != IpProtocol.Tcp)
        {
            entry.Expires = now.Seconds + ConntrackTimers.Any;
            return;
        }

        bool wasClosed = IsClosed(entry);
        Close(ref entry, tcpFlags, isReply);
        if ((tcpFlags & TcpFlags.Syn) == 0)
        {
            entry.Flags |= ConntrackFlags.SeenNonSyn;
        }

        if (!IsClosed(entry))
        {
            entry.Expires = now.Seconds + ((entry.Flags & ConntrackFlags.SeenNonSyn) != 0 ? ConntrackTimers.Tcp : ConntrackTimers.Syn);
        }
        else if (entry.Key.Scope == FlowScope.Service)
        {
            // The choice outlives the flow, so that a client that comes back from the same port meets the same backend.
            entry.Expires = now.Seconds + ConntrackTimers.ServiceRebalance;
        }
        else if (!wasClosed)
        {
            entry.Expires = now.Seconds + ConntrackTimers.Close;
        }
    }

    /// <summary>Both sides are done; a service's entry sees the client's side only and is done with it.</summary>
    public static bool IsClosed(in ConntrackEntry entry) => (entry.Flags & ConntrackFlags.Closing) == ConntrackFlags.Closing;

    /// <summary>
    /// What floods and scans leave behind (docs/decisions/0055): nothing of the server was seen, and hardly anything of the client; or TCP of which only
    /// SYNs were seen, also the server's, or that was refused. In a full table these give way to new flows, and no others.
    /// </summary>
    public static bool HasOnlyBegun(in ConntrackEntry entry)
    {
        if ((entry.Flags & ConntrackFlags.Used) == 0 || entry.Packets == 0)
        {
            return false;
        }

        bool isUnheard = entry.LastRx == 0 && entry.Packets <= MostPacketsOfBeginning;
        return entry.Key.Protocol != IpProtocol.Tcp ? isUnheard : isUnheard || (entry.Flags & ConntrackFlags.SeenNonSyn) == 0 || WasRefused(entry);
    }

    /// <summary>Of a choice only the client's side is known: it is not told by this.</summary>
    private static bool WasRefused(in ConntrackEntry entry) =>
        IsClosed(entry) && (entry.TxFlagsSeen & entry.RxFlagsSeen & TcpFlags.Syn) == 0 && entry.Key.Scope == FlowScope.Flow;

    private static void Close(ref ConntrackEntry entry, TcpFlags flags, bool isReply)
    {
        if ((flags & (TcpFlags.Fin | TcpFlags.Rst)) == 0)
        {
            return;
        }

        bool bothSynsSeen = (entry.TxFlagsSeen & entry.RxFlagsSeen & TcpFlags.Syn) != 0;
        bool refused = (flags & TcpFlags.Rst) != 0 && !bothSynsSeen;
        if (refused || entry.Key.Scope == FlowScope.Service)
        {
            entry.Flags |= ConntrackFlags.Closing;
        }
        else
        {
            entry.Flags |= isReply ? ConntrackFlags.RxClosing : ConntrackFlags.TxClosing;
        }
    }
}
