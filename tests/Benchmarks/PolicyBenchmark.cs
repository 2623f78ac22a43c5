using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>Policies at size: 10,000 identities and 1,000 rules compiled, and one identity more. The targets are 1 s and 10 ms.</summary>
internal static class PolicyBenchmark
{
    private const int IdentityCount = 10_000;
    private const int RuleCount = 1_000;
    private const uint First = 70_000;

    public static void Run()
    {
        DesiredChange policies = new() { Policies = [.. Enumerable.Range(0, RuleCount).Select(i => Rule(i, $"app-{i}"))] };
        Compile($"{RuleCount:n0} rules that mean {IdentityCount / RuleCount} of {IdentityCount:n0} identities each", policies);
        Compile($"{RuleCount:n0} rules that mean all of {IdentityCount:n0} identities", new DesiredChange { Policies = [.. Enumerable.Range(0, RuleCount).Select(i => Rule(i, null))] });

        StateWriter writer = Fresh();
        writer.Commit(writer.Plan(policies));
        double[] one = Sample.Microseconds(200, i => writer.Commit(writer.Plan(new DesiredChange { Identities = [Identity(IdentityCount + i)] })));
        Console.WriteLine($"policy: one identity more, from plan to snapshot: {Sample.Spread(one, 1000)} ms (target: 10 ms)");
        double[] pods = Sample.Microseconds(200, i => writer.Commit(writer.Plan(new DesiredChange { Ipcache = [Entry(i)] })));
        Console.WriteLine($"policy: one address more: {Sample.Spread(pods, 1000)} ms (target: 10 ms)");
        PolicyMap map = writer.Current.Policies.Of(2)!.Ingress!;
        int allowed = 0;
        double[] looked = Sample.Microseconds(20, _ =>
        {
            for (uint i = 0; i < 100_000; i++)
            {
                allowed += map.Lookup(First + (i * 7919 % IdentityCount), IpProtocol.Tcp, (ushort)(8_000 + (i % RuleCount))).Kind == PolicyDecisionKind.Allow ? 1 : 0;
            }
        });
        Console.WriteLine($"policy: a look-up: {Sample.Range(looked, 100)} ns ({allowed:n0} allowed)");
    }

    private static void Compile(string what, DesiredChange policies)
    {
        double[] compiled = Sample.Microseconds(5, _ =>
        {
            StateWriter writer = Fresh();
            writer.Commit(writer.Plan(policies));
        });
        double[] without = Sample.Microseconds(5, _ => Fresh());
        Console.WriteLine($"policy: {what}: {Sample.Range(compiled, 1000)} ms with the identities ({Sample.Range(without, 1000)} ms alone; target: 1,000 ms)");
    }

    private static StateWriter Fresh()
    {
        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        writer.Commit(writer.Plan(SampleNode.Change(1)));
        EndpointSpec pod = writer.Desired.Endpoints.Values.First(e => writer.Ports[e.Name].Id == 2);
        writer.Commit(writer.Plan(new DesiredChange
        {
            Ipcache = [.. pod.Addresses.Select(a => new IpcacheSpec(IpPrefix.Host(a), First, default, 0, IpcacheFlags.None, "west", "", "benchmark"))],
            Identities = [.. Enumerable.Range(0, IdentityCount).Select(Identity)],
        }));
        return writer;
    }

    private static IdentitySpec Identity(int i) => new(First + (uint)i, [$"k8s:app=app-{i % RuleCount}", $"k8s:io.kubernetes.pod.namespace=ns-{i % 37}"], "benchmark");

    private static IpcacheSpec Entry(int i) => new(IpPrefix.Host(IpAddress.FromIpv4(0x0B00_0000u + (uint)i)), First + (uint)i, default, 0, IpcacheFlags.None, "west", "", "benchmark");

    /// <param name="app">Null for peers that have any app.</param>
    private static PolicySpec Rule(int i, string? app)
    {
        LabelSelector peers = app is not null ? LabelSelector.Exactly("k8s:app", app) : LabelSelector.TryParse($"k8s:app,!k8s:none-{i}", out LabelSelector? any) ? any! : LabelSelector.Everything;
        return new PolicySpec(
            $"default/rule-{i}", "", LabelSelector.Everything, false, true, false,
            [new PolicyRuleSpec(true, false, [new PolicyPeerSpec(peers, null, null, [])], [new PolicyPortSpec(IpProtocol.Tcp, (ushort)(8_000 + i), (ushort)(8_000 + i))], "benchmark")], "benchmark");
    }
}
