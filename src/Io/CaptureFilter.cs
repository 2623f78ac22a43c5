using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io;

/// <summary>Which packets a capture wants. Immutable; asked by workers, so that what nobody wants is not copied.</summary>
public sealed record CaptureFilter
{
    /// <summary>Each group must have an address that is an end of the packet, before or behind the translations.</summary>
    public IpAddress[][] Hosts { get; init; } = [];

    /// <summary>Each must be a port of the packet, before or behind the translations.</summary>
    public ushort[] Ports { get; init; } = [];

    public IpProtocol? Protocol { get; init; }

    /// <summary>Transmit, Drop or Held; null for any.</summary>
    public Verdict? Verdict { get; init; }

    /// <summary>Of drops.</summary>
    public DropReason? Reason { get; init; }

    /// <summary>Needs the packet's flow to decide.</summary>
    public bool AsksForFlow => Hosts.Length > 0 || Ports.Length > 0 || Protocol is not null;

    public bool Takes(Verdict verdict, DropReason reason) => (Verdict is null || Verdict == verdict) && (Reason is null || (verdict == Pipeline.Verdict.Drop && Reason == reason));

    /// <param name="received">The flow before the translations; default for what has none.</param>
    /// <param name="left">The flow behind them.</param>
    public bool Takes(in FlowKey received, in FlowKey left)
    {
        foreach (IpAddress[] group in Hosts)
        {
            if (!IsAnyAt(group, received) && !IsAnyAt(group, left))
            {
                return false;
            }
        }

        foreach (ushort port in Ports)
        {
            if (received.SourcePort != port && received.DestinationPort != port && left.SourcePort != port && left.DestinationPort != port)
            {
                return false;
            }
        }

        return Protocol is null || received.Protocol == Protocol || (received == default && left.Protocol == Protocol);
    }

    private static bool IsAnyAt(IpAddress[] group, in FlowKey flow)
    {
        foreach (IpAddress address in group)
        {
            if (flow.Source == address || flow.Destination == address)
            {
                return true;
            }
        }

        return false;
    }
}
