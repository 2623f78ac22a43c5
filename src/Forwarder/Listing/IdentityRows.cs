using System.Globalization;
using ClusterMesh.Datapath.Configuration;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Listing;

/// <summary>Rows of the ipcache, as packets find it, and of identities.</summary>
internal sealed class IdentityRows(NodeRuntime node)
{
    public ListResult<IpcacheRow> Ipcache(string? cursor, int limit)
    {
        IpPrefix last = default;
        if (cursor is not null && !IpPrefix.TryParse(cursor, out last))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"cursor: '{cursor}' was not given by this list; begin again without one");
        }

        return node.Read(writer =>
        {
            IEnumerable<(IpPrefix Prefix, IpcacheTarget Target)> entries = writer.Ipcache().Where(e => cursor is null || e.Prefix > last);
            return Page.Of(writer.Version, entries.Select(e => Row(writer, e.Prefix, e.Target)), cursor, limit, ControlKinds.Ipcache.Key, _ => true);
        });
    }

    public ListResult<IdentityRow> Identities(string? cursor, int limit)
    {
        uint last = 0;
        if (cursor is not null && !uint.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out last))
        {
            throw new ControlException(ErrorCode.InvalidParams, $"cursor: '{cursor}' was not given by this list; begin again without one");
        }

        return node.Read(writer => Page.Of(
            writer.Version, writer.Identities().Where(i => i.Id > last).OrderBy(i => i.Id).Select(Row), cursor, limit, ControlKinds.Identity.Key, _ => true));
    }

    private static IdentityRow Row((uint Id, IReadOnlyList<string> Labels) identity) => new(
        identity.Id, identity.Id < NumericIdentity.FirstAllocated ? "reserved" : identity.Id < NumericIdentity.FirstLocal ? "cluster" : "local", identity.Labels);

    private IpcacheRow Row(StateWriter writer, IpPrefix prefix, IpcacheTarget target)
    {
        IpcacheSpec? told = writer.Desired.Ipcache.GetValueOrDefault(prefix);
        string source = told is not null && target.Identity == told.Identity ? told.Origin
            : target.Port >= 0 ? "local"
            : NumericIdentity.IsCidr(target.Identity) ? "policy"
            : "node";
        string none = prefix.IsIpv4 ? "0.0.0.0" : "::";
        return new IpcacheRow(
            prefix.ToString(), target.Identity, target.Key, target.TunnelEndpoint == default ? none : target.TunnelEndpoint.ToString(), [.. IdentityNames.Of(target.Flags)],
            told?.Cluster ?? node.Local.Cluster, source, writer.LabelsOf(target.Identity));
    }
}
