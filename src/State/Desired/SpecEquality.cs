namespace ClusterMesh.Datapath.State.Desired;

/// <summary>Whether two specs want the same, wherever they were written: what makes a repeated apply change nothing.</summary>
public static class SpecEquality
{
    public static bool Same(EndpointSpec a, EndpointSpec b) =>
        a with { Addresses = b.Addresses, Source = b.Source } == b && a.Addresses.SequenceEqual(b.Addresses);

    public static bool Same(NodeSpec a, NodeSpec b) =>
        a with { Addresses = b.Addresses, PodCidrs = b.PodCidrs, Source = b.Source } == b
        && a.Addresses.SequenceEqual(b.Addresses) && a.PodCidrs.SequenceEqual(b.PodCidrs);

    public static bool Same(RouteSpec a, RouteSpec b) => a with { Source = b.Source } == b;

    public static bool Same(ServiceSpec a, ServiceSpec b) =>
        a with { Frontends = b.Frontends, Backends = b.Backends, SourceRanges = b.SourceRanges, Annotations = b.Annotations, Source = b.Source } == b
        && a.Frontends.SequenceEqual(b.Frontends) && a.Backends.SequenceEqual(b.Backends)
        && a.SourceRanges.SequenceEqual(b.SourceRanges) && a.Annotations.SequenceEqual(b.Annotations);

    public static bool Same(IpcacheSpec a, IpcacheSpec b) => a with { Source = b.Source } == b;

    public static bool Same(IdentitySpec a, IdentitySpec b) => a.Id == b.Id && a.Labels.SequenceEqual(b.Labels);

    public static bool Same(PolicySpec a, PolicySpec b) =>
        a with { Rules = b.Rules, Source = b.Source } == b && a.Rules.Count == b.Rules.Count && a.Rules.Zip(b.Rules).All(r => Same(r.First, r.Second));

    private static bool Same(PolicyRuleSpec a, PolicyRuleSpec b) =>
        a with { Peers = b.Peers, Ports = b.Ports, Source = b.Source } == b
        && (a.Peers is null) == (b.Peers is null) && (a.Ports is null) == (b.Ports is null)
        && (a.Peers ?? []).Select(p => p.Text).SequenceEqual((b.Peers ?? []).Select(p => p.Text)) && (a.Ports ?? []).SequenceEqual(b.Ports ?? []);

    public static bool Same(MasqueradeSpec a, MasqueradeSpec b) =>
        a.Enabled == b.Enabled && a.NonMasqueradeCidrs.SequenceEqual(b.NonMasqueradeCidrs);
}
