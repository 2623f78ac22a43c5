using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Who speaks to whom? Finds the identities of both ends of the flow between client and backend, by longest prefix. Only packets that take the
/// stages come here; those of established flows keep what was decided until the configuration changes.
/// </summary>
public static class PolicyStage
{
    public static Verdict Run(ref PacketContext p, IpcacheTable ipcache)
    {
        ref readonly IpcacheTarget source = ref ipcache.Lookup(p.FlowKey.Source);
        ref readonly IpcacheTarget destination = ref ipcache.Lookup(p.FlowKey.Destination);
        p.SourceIdentity = SourceIdentity(p, source.Identity);
        p.DestinationIdentity = destination.Identity;
        return Verdict.Continue;
    }

    /// <summary>
    /// What the node's own stack sends under an address that nobody is known by is the host's; and what comes from the node network under
    /// an identity that only the node itself has is a remote node's (bpf_host.c resolve_srcid).
    /// </summary>
    private static uint SourceIdentity(in PacketContext p, uint identity) => p.IngressKind switch
    {
        PortKind.Uplink when p.Tunnel.IsSet && p.Tunnel.Identity != NumericIdentity.RemoteNode => p.Tunnel.Identity, // bpf_overlay.c: the VNI says it
        PortKind.Host when NumericIdentity.IsWorld(identity) => NumericIdentity.Host,
        PortKind.Uplink when identity == NumericIdentity.Host => NumericIdentity.RemoteNode,
        _ => identity,
    };
}
