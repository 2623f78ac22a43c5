namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>The worker of west as a file, and ways to change it.</summary>
internal static class Sample
{
    public static string WestWorker { get; } = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "west-worker.yaml"));

    /// <summary>A change of every kind, as a program writes it.</summary>
    public static string Change { get; } = """
        {"masquerade":{"enabled":true,"nonMasqueradeCIDRs":["10.1.0.0/16","fd00:2::/48"],"masqLinkLocal":false},
         "endpoints":[{"name":"default/curl-pod","namespace":"lab-curl","interface":"eth0","mac":"02:00:00:00:00:01","addresses":["10.0.1.105","fd00:1::5"],"offloads":"on"}],
         "nodes":[{"name":"east-worker","cluster":"east","addresses":["172.18.0.2"],"podCIDRs":["10.1.1.0/24"]}],
         "routes":[{"prefix":"192.168.7.0/24","via":"172.18.0.9"}],
         "services":[
          {"name":"default/webpod","protocol":"TCP","frontends":[{"type":"ClusterIP","address":"10.2.33.10","port":80},{"type":"NodePort","port":30080}],
           "backends":[{"address":"10.0.1.14","port":80},{"address":"10.1.1.2","port":80,"cluster":"east","node":"east-worker","state":"terminating"}]},
          {"name":"kube-system/kube-dns:dns","protocol":"UDP","frontends":[{"address":"10.2.0.10","port":53}],"backends":[]}]}
        """;

    public static NodeFile Parse() => NodeFile.Parse("west-worker.yaml", WestWorker);

    /// <summary>The file with one text replaced; the test is wrong when the text is not there once.</summary>
    public static string With(string old, string replacement)
    {
        int at = WestWorker.IndexOf(old, StringComparison.Ordinal);
        Assert.True(at >= 0, $"the sample has no '{old}'");
        return WestWorker[..at] + replacement + WestWorker[(at + old.Length)..];
    }
}
