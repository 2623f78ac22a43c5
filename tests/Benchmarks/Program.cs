using ClusterMesh.Datapath.Benchmarks.Abuse;
using ClusterMesh.Datapath.Benchmarks.Mesh;
using ClusterMesh.Datapath.Benchmarks.Micro;
using ClusterMesh.Datapath.Benchmarks.Report;
using ClusterMesh.Datapath.Benchmarks.Tables;

namespace ClusterMesh.Datapath.Benchmarks;

/// <summary>
/// Prints the figures of tables and pipeline that the documents give: <c>dotnet run -c Release --project tests/Benchmarks</c>. <c>report</c>
/// is the last step of ./run-lab.sh bench.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["mesh", ..])
        {
            return await ScaleCommand.RunAsync(arguments[1..]);
        }

        if (arguments is ["abuse", ..])
        {
            return await AbuseCommand.RunAsync(arguments[1..]);
        }

        if (arguments is ["report", string plan, string directory])
        {
            return ReportCommand.Run(plan, directory);
        }

        string what = arguments.Length == 0 ? "all" : arguments[0];
        if (arguments.Length > (what == "micro" ? 2 : 1) || what is not ("all" or "routes" or "state" or "pipeline" or "tables" or "offloads" or "services" or "events" or "policy" or "micro"))
        {
            Console.Error.WriteLine("usage: benchmarks [all|routes|state|pipeline|tables|offloads|services|events|policy|micro [part of a name]] | benchmarks report PLAN DIRECTORY | benchmarks mesh AGENT [options] | benchmarks abuse SOCKET... --requests N [--seed N] [--clients NAME,...]");
            return 2;
        }

        if (what == "micro")
        {
            MicroBenchmark.Run(arguments.ElementAtOrDefault(1) ?? "");
        }

        if (what is "all" or "routes")
        {
            RouteBenchmark.Run();
        }

        if (what is "all" or "state")
        {
            StateBenchmark.Run();
        }

        if (what is "all" or "pipeline")
        {
            PipelineBenchmark.Run();
        }

        if (what is "all" or "tables")
        {
            TableBenchmark.Run();
        }

        if (what is "all" or "services")
        {
            ServiceBenchmark.Run();
        }

        if (what is "all" or "policy")
        {
            PolicyBenchmark.Run();
        }

        if (what is "all" or "events")
        {
            EventBenchmark.Run();
        }

        if (what is "all" or "offloads")
        {
            OffloadBenchmark.Run();
        }

        return 0;
    }
}
