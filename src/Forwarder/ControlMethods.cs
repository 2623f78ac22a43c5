using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Forwarder.Capturing;
using ClusterMesh.Datapath.Forwarder.Listing;
using ClusterMesh.Datapath.State.Desired;

namespace ClusterMesh.Datapath.Forwarder;

/// <summary>What the control socket can be asked, and who answers.</summary>
internal static class ControlMethods
{
    public static void Map(ControlServer server, NodeRuntime node)
    {
        var live = new LiveRows(node);
        var configured = new ConfiguredRows(node);
        server.Map("status", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.StatusReport, (_, _) => new(StatusRows.Report(node)));
        server.Map("config", ControlRole.Reader, ControlJson.Default.NoContent, ControlJson.Default.NodeDocument, (_, _) => new(node.DescribeConfiguration()));
        server.Map("apply", ControlRole.Admin, ControlJson.Default.ApplyRequest, ControlJson.Default.ChangeResult,
            (r, _) => new(node.Apply(r.Config, r.Mode == ApplyMode.Replace)));
        server.Map("delete", ControlRole.Admin, ControlJson.Default.DeleteRequest, ControlJson.Default.ChangeResult,
            (r, _) => new(node.Delete(KindOf(r.Kind), r.Names)));
        server.Map("takeover", ControlRole.Admin, ControlJson.Default.TakeoverRequest, ControlJson.Default.TakeoverResult, (r, _) => new(node.HandOver(r.Phase)));
        var services = new ServiceAnswers(node);
        server.Map("maglev", ControlRole.Reader, ControlJson.Default.MaglevRequest, ControlJson.Default.MaglevResult, (r, _) => new(services.Maglev(r)));
        server.Map("select", ControlRole.Reader, ControlJson.Default.SelectRequest, ControlJson.Default.SelectResult, (r, _) => new(services.Select(r)));
        server.Map("trace", ControlRole.Reader, ControlJson.Default.TraceRequest, ControlJson.Default.TraceResult, (r, _) => new(TraceAnswers.Trace(node, r)));
        var captures = new CaptureSessions(node, Path.GetDirectoryName(Path.GetFullPath(server.SocketPath))!);
        server.Map("capture", ControlRole.Admin, ControlJson.Default.CaptureRequest, ControlJson.Default.CaptureResult, (r, _) => new(captures.Begin(r)));
        server.MapKind(ControlKinds.Endpoint, (c, n, _) => new(configured.Endpoints(c, n)));
        server.MapKind(ControlKinds.Node, (c, n, _) => new(configured.Nodes(c, n)));
        server.MapKind(ControlKinds.Route, (c, n, _) => new(configured.Routes(c, n)));
        server.MapKind(ControlKinds.Service, (c, n, _) => new(configured.Services(c, n)));
        server.MapKind(ControlKinds.Backend, (c, n, _) => new(configured.Backends(c, n)));
        server.MapKind(ControlKinds.Masquerade, (c, n, _) => new(configured.Masquerade(c, n)));
        server.MapKind(ControlKinds.Conntrack, (c, n, _) => new(live.Conntrack(c, n)));
        server.MapKind(ControlKinds.Snat, (c, n, _) => new(live.Snat(c, n)));
        server.MapKind(ControlKinds.Neighbor, (c, n, _) => new(live.Neighbors(c, n)));
        server.MapKind(ControlKinds.Counter, (c, n, _) => new(StatusRows.Counters(node, c, n)));
        var identities = new IdentityRows(node);
        server.MapKind(ControlKinds.Ipcache, (c, n, _) => new(identities.Ipcache(c, n)));
        server.MapKind(ControlKinds.Identity, (c, n, _) => new(identities.Identities(c, n)));
        var policies = new PolicyAnswers(node);
        server.Map("explain", ControlRole.Reader, ControlJson.Default.ExplainRequest, ControlJson.Default.ExplainResult, (r, _) => new(policies.Explain(r)));
        server.MapKind(ControlKinds.Policy, (c, n, _) => new(policies.Policies(c, n)));
        server.MapKind(ControlKinds.Port, (c, n, _) => new(StatusRows.Ports(node, c, n)));
    }

    private static ObjectKind KindOf(string kind) => kind switch
    {
        "endpoint" => ObjectKind.Endpoint,
        "node" => ObjectKind.Node,
        "route" => ObjectKind.Route,
        "service" => ObjectKind.Service,
        "ipcache" => ObjectKind.Ipcache,
        "identity" => ObjectKind.Identity,
        "policy" => ObjectKind.Policy,
        _ => throw new ControlException(ErrorCode.InvalidParams, $"kind: '{kind}' cannot be deleted; there are {string.Join(", ", ControlKinds.Deletable)}"),
    };
}
