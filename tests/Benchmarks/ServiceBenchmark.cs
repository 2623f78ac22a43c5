using System.Diagnostics;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>
/// Services at size: a hundred thousand with a million backends, one change among them, looking them up, and Maglev tables. Beside each figure
/// stands what it must stay below. What is measured in this process is said to be; the rest goes the whole way, from a request on the control socket
/// of a forwarder of its own to the answer that its worker has the change.
/// </summary>
internal static class ServiceBenchmark
{
    private const int ServiceCount = 100_000;
    private const int BackendCount = 10;
    private const int MaglevServiceCount = 1000;
    private const int LookupCount = 1 << 20;
    private const int RequestCount = 10;
    private const int ChangeCount = 500;

    public static void Run()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        double[] loaded = Sample.Microseconds(1, _ => Apply(writer, [.. Enumerable.Range(0, ServiceCount).Select(i => Service(i))]));
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Console.WriteLine(
            $"services: in this process, {ServiceCount:n0} with {writer.BackendCount:n0} backends planned and committed: {loaded[0] / 1e6:f2} s, {held / 1e6:f0} MB held, the wanted state included");

        double[] changed = Sample.Microseconds(500, i => Apply(writer, [Service(i * 97, lastPort: 9000 + i)]));
        Console.WriteLine($"services: in this process, one backend changed among them, from plan to snapshot: {Sample.Spread(changed, 1000)} ms");
        double[] added = Sample.Microseconds(500, i => Apply(writer, [Service(ServiceCount + i)]));
        Console.WriteLine($"services: in this process, one service more: {Sample.Spread(added, 1000)} ms");

        var few = new StateWriter(SampleNode.Local(), seed: 1);
        Apply(few, [.. Enumerable.Range(0, 10).Select(i => Service(i))]);
        double ten = Lookup(few.Current.Services, 10);
        Console.WriteLine(
            $"services: a frontend looked up, ten of ten in turn: {ten:f1} ns; ten of {ServiceCount:n0}: {Lookup(writer.Current.Services, 10):f1} ns (at most 1.3 times); "
            + $"all {ServiceCount:n0} in random order, which is the memory's time: {Lookup(writer.Current.Services, ServiceCount):f1} ns");
        Maglev();
        if (RunningForwarder.FindProgram() is { } program)
        {
            OverTheSocketAsync(program).GetAwaiter().GetResult();
        }
        else
        {
            Console.WriteLine("services: the whole way is not measured: there is no bin/cmesh-forwarder; ./run-lab.sh up builds it");
        }
    }

    /// <summary>The acceptance of size: load, memory, and one change among a million backends.</summary>
    private static async Task OverTheSocketAsync(string program)
    {
        await using RunningForwarder forwarder = await RunningForwarder.StartAsync(program);
        long before = forwarder.ResidentBytes;
        TimeSpan spent = forwarder.ProcessorTime;
        double[] seconds = new double[RequestCount];
        for (int request = 0; request < RequestCount; request++)
        {
            // A request has at most 64 MiB.
            ServiceDocument[] services = [.. Enumerable.Range(request * (ServiceCount / RequestCount), ServiceCount / RequestCount).Select(i => Document(i))];
            long began = Stopwatch.GetTimestamp();
            await forwarder.Client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Services = services });
            seconds[request] = Stopwatch.GetElapsedTime(began).TotalSeconds;
        }

        Console.WriteLine(
            $"services: over the socket, {ServiceCount:n0} with {ServiceCount * BackendCount:n0} backends in {RequestCount} requests, from document to answer: {seconds.Sum():f2} s (at most 10), {(forwarder.ProcessorTime - spent).TotalSeconds:f2} s of the forwarder's processor time; "
            + $"the forwarder has {forwarder.ResidentBytes / 1e6:f0} MB, {before / 1e6:f0} before, {forwarder.MostResidentBytes / 1e6:f0} at most (at most 2000)");
        double[] changes = new double[ChangeCount];
        for (int i = 0; i < ChangeCount; i++)
        {
            long began = Stopwatch.GetTimestamp();
            ChangeResult result = await forwarder.Client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Services = [Document(i * 97, lastPort: 9000 + i)] });
            changes[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
            if (result.Changed != 1)
            {
                throw new InvalidOperationException($"a change changed {result.Changed} services");
            }
        }

        Array.Sort(changes);
        Console.WriteLine($"services: over the socket, one backend changed among them, from request to the answer that the worker has it: {Sample.Spread(changes, 1000)} ms (at most 10)");
    }

    private static void Maglev()
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var writer = new StateWriter(SampleNode.Local(), seed: 1);
        double[] loaded = Sample.Microseconds(1, _ => Apply(writer, [.. Enumerable.Range(0, MaglevServiceCount).Select(i => Service(i) with { Algorithm = LoadBalancingAlgorithm.Maglev })]));
        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Console.WriteLine(
            $"maglev: {MaglevServiceCount:n0} services of {BackendCount} backends, tables of {LoadBalancerSpec.DefaultMaglevTableSize:n0}: {loaded[0] / 1e6:f2} s (at most 5), {held / 1e6:f0} MB (at most 100)");
        foreach ((int size, int backends) in ((int, int)[])[(16381, 10), (16381, 160), (16381, 1000), (131071, 10), (131071, 1000)])
        {
            var one = new StateWriter(SampleNode.Local() with { LoadBalancer = new LoadBalancerSpec { MaglevTableSize = size } }, seed: 1);
            double[] filled = Sample.Microseconds(21, i => Apply(one, [Service(i, count: backends) with { Algorithm = LoadBalancingAlgorithm.Maglev }]));
            Console.WriteLine($"maglev: one table of {size:n0} for {backends:n0} backends, from plan to snapshot: {Sample.Range(filled, 1000)} ms (at most 10)");
        }
    }

    private static void Apply(StateWriter writer, ServiceSpec[] services) => writer.Commit(writer.Plan(new DesiredChange { Services = services }));

    private static IpAddress FrontendOf(int service) => IpAddress.FromIpv4(0x0A40_0000u + (uint)service);

    private static ServiceSpec Service(int number, int lastPort = 80, int count = BackendCount) => new(
        $"default/service-{number}", IpProtocol.Tcp, [new FrontendSpec(ServiceType.ClusterIP, FrontendOf(number), 80)],
        [.. Enumerable.Range(0, count).Select(i => new BackendSpec(IpAddress.FromIpv4(0x0B00_0000u + (uint)((number * count) + i)), (ushort)(i == count - 1 ? lastPort : 80), "west", ""))],
        "benchmark");

    /// <summary>The same as a document.</summary>
    private static ServiceDocument Document(int number, int lastPort = 80) => new()
    {
        Name = $"default/service-{number}",
        Frontends = [new FrontendDocument { Address = FrontendOf(number).ToString(), Port = 80 }],
        Backends = [.. Service(number, lastPort).Backends.Select(b => new BackendDocument { Address = b.Address.ToString(), Port = b.Port })],
    };

    /// <returns>Nanoseconds for a look-up, the best of some rounds.</returns>
    private static double Lookup(ServiceTable table, int serviceCount)
    {
        var random = new Random(3);
        IpAddress[] searched = [.. Enumerable.Range(0, LookupCount).Select(i => FrontendOf(serviceCount <= 10 ? i % serviceCount : random.Next(serviceCount)))];
        long found = 0;
        double[] times = Sample.Microseconds(15, _ =>
        {
            foreach (IpAddress address in searched)
            {
                found += table.TryFind(address, 80, IpProtocol.Tcp, out Frontend? frontend) ? frontend!.Set.CandidateCount : 0;
            }
        });
        return found == 15L * LookupCount * BackendCount ? times[0] * 1000 / LookupCount : throw new InvalidOperationException("a frontend was not found");
    }
}
