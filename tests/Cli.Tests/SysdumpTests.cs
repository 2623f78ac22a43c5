using System.Formats.Tar;
using System.IO.Compression;
using ClusterMesh.Datapath.Cli.Sysdump;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>The archive for a bug report: complete, honest about what is missing, and without secrets.</summary>
public sealed class SysdumpTests
{
    private const string Key = "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIPlantedKeyMaterial0123456789\\n-----END EC PRIVATE KEY-----";

    [Fact]
    public async Task Secrets_that_were_planted_are_not_in_it()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        fake.Answered = FakeForwarder.Status with
        {
            Masquerading = $"password=Planted1 https://root:Planted2@10.0.0.1:2379 Bearer Planted3Planted3 {Key}",
            Ports = [FakeForwarder.Status.Ports[0] with { State = "token: Planted4" }],
        };
        fake.Endpoints = [new EndpointRow(2, "default/eyJhbGciOiJIUzI1NiJ9.UGxhbnRlZDVQbGFudGVk.c2lnbmF0dXJl", ["10.0.1.11"], "02:00:00:00:00:02", "a", "eth0", "up")];
        Dictionary<string, string> files = await DumpAsync(fake);
        foreach ((string name, string text) in files)
        {
            Assert.False(text.Contains("Planted", StringComparison.Ordinal) || text.Contains("UGxhbnRlZD", StringComparison.Ordinal) || text.Contains("PRIVATE KEY", StringComparison.Ordinal), $"{name} has a secret:\n{text}");
        }

        string status = files["nodes/west-west-worker/status.json"];
        Assert.Contains("password=(removed: secret) https://(removed: secret)@10.0.0.1:2379 Bearer (removed: secret)", status);
        Assert.Matches(@"\d+ secrets were removed", files["summary.txt"]);
        Assert.Contains("default/(removed: secret)", files["nodes/west-west-worker/endpoints.txt"]);
    }

    [Fact]
    public async Task Everything_that_answers_is_in_it_and_what_does_not_is_said()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        Directory.CreateDirectory(Path.Combine(fake.RunDirectory, "east-east-worker"));
        string archive = Path.Combine(fake.RunDirectory, "dump.tar.gz");
        (int code, string output, string error) = await fake.RunAsync("sysdump", "-w", archive);
        Assert.Equal(0, code);
        Dictionary<string, string> files = Read(archive);
        Assert.StartsWith($"{archive}: {files.Count - 1} files, ", output, StringComparison.Ordinal);
        foreach (string file in (string[])["kernel/proc/version", "nodes/west-west-worker/sockets.txt", "nodes/west-west-worker/status.txt", "nodes/west-west-worker/configuration.yaml", "nodes/west-west-worker/conntrack.txt", "nodes/west-west-worker/ipmasq.txt"])
        {
            Assert.True(files.TryGetValue(file, out string? text) && text.Length > 0, $"{file} is missing:\n{files["summary.txt"]}");
        }

        Assert.Contains("10.1.0.0/16", files["nodes/west-west-worker/ipmasq.txt"]);
        Assert.EndsWith("(cut after 4194304 characters)\n", files["nodes/west-west-worker/conntrack.txt"], StringComparison.Ordinal);
        Assert.Contains($"Note: not in the archive: nodes/east-east-worker: {fake.RunDirectory}/east-east-worker/control.sock: there is no such socket; the forwarder is not running\n", error);
        Assert.Contains("Note: not in the archive: nodes/west-west-worker/agent: ", error);
        Assert.Contains("Note: not in the archive: nodes/west-west-worker/ports.txt: Error: tap0: gone; is another node running in this namespace?\n", error);
        Assert.Contains("nodes/east-east-worker: ", files["summary.txt"]);

        Assert.Equal((1, "", $"Error: {archive}: cannot be written (The file '{archive}' already exists)\n"), await fake.RunAsync("sysdump", "-w", archive));
    }

    [Theory]
    [InlineData("clientPassword: hunter2", "clientPassword: (removed: secret)")]
    [InlineData("    example.com/api-token: 'abc def'", "    example.com/api-token: (removed: secret)")]
    [InlineData("""{"example.com/token": "a\"b", "next": 1}""", """{"example.com/token": "(removed: secret)", "next": 1}""")]
    [InlineData("client-key-data: LS0tLS1CRUdJTg==", "client-key-data: (removed: secret)")]
    [InlineData("Authorization: Basic cm9vdDpyb290", "Authorization: (removed: secret)")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nabc\n", "(removed: secret)")]
    [InlineData("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----")]
    [InlineData("ipcache keys: 12, key 10.0.1.11:80 -> 3", "ipcache keys: 12, key 10.0.1.11:80 -> 3")]
    [InlineData("tokens left: 50", "tokens left: 50")]
    public void A_secret_is_known_by_its_name_or_its_shape(string text, string wanted) => Assert.Equal(wanted, Redaction.Of(text, out _));

    private static async Task<Dictionary<string, string>> DumpAsync(FakeForwarder fake)
    {
        string archive = Path.Combine(fake.RunDirectory, "dump.tar.gz");
        (int code, _, string error) = await fake.RunAsync("sysdump", "-w", archive);
        Assert.True(code == 0, error);
        return Read(archive);
    }

    private static Dictionary<string, string> Read(string archive)
    {
        var files = new Dictionary<string, string>();
        using var gzip = new GZipStream(File.OpenRead(archive), CompressionMode.Decompress);
        using var tar = new TarReader(gzip);
        while (tar.GetNextEntry() is { } entry)
        {
            using var text = new StreamReader(entry.DataStream ?? Stream.Null);
            files.Add(entry.Name[(entry.Name.IndexOf('/', StringComparison.Ordinal) + 1)..], text.ReadToEnd());
        }

        return files;
    }
}
