using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>A running node follows ip-masq-agent's file as a ConfigMap gives it: through symlinks that are swapped under it.</summary>
public sealed class IpMasqAgentTests
{
    [Fact]
    public async Task The_file_is_followed_and_a_mistake_changes_nothing()
    {
        using World world = new();
        string mount = Path.Combine(world.RunDirectory, "config");
        string file = Path.Combine(mount, "ip-masq-agent");
        string node = world.NodeFile($"flows:\n  ipMasqAgentConfigPath: {file}");
        using ForwarderProcess forwarder = await ForwarderProcess.StartAsync(world, node);
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        Assert.Equal(12, (await ListAsync(client)).Count); // no file: eleven defaults and link-local

        Publish(mount, "1", "nonMasqueradeCIDRs: [172.18.7.7/16]\n");
        await UntilAsync(client, "169.254.0.0/16 172.18.0.0/16");
        using System.Net.Sockets.Socket listener = world.Listen("world", 8080);
        world.Ip("world", "route add 10.0.1.0/24 via 172.18.0.5");
        Assert.Equal("10.0.1.11", world.Connect("a", World.WorldAddress, 8080, listener));

        // A swap to a file that holds a mistake is told once, and the exemptions stay.
        Publish(mount, "2", "nonMasqueradeCIDRs: [10.1.0.0]\n");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!forwarder.Errors.Contains("has no prefix length", StringComparison.Ordinal))
        {
            limit.Token.ThrowIfCancellationRequested();
            await client.GetStatusAsync();
        }

        Assert.Contains($"ip-masq-agent: {file}:1: nonMasqueradeCIDRs[0]: '10.1.0.0' has no prefix length; add one, as in '10.1.0.0/24'; the exemptions stay as they are", forwarder.Errors, StringComparison.Ordinal);
        Assert.Equal("169.254.0.0/16 172.18.0.0/16", string.Join(' ', await ListAsync(client)));
        Assert.Contains($"2 exempt by {file}", (await client.GetStatusAsync()).Masquerading, StringComparison.Ordinal);

        // Who changes the rest of the section leaves the list alone, and may not give one.
        await client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Masquerade = new MasqueradeSection() });
        Assert.Equal("169.254.0.0/16 172.18.0.0/16", string.Join(' ', await ListAsync(client)));
        ControlException refused = await Assert.ThrowsAsync<ControlException>(() =>
            client.ApplyAsync(ApplyMode.Merge, new ChangeDocument { Masquerade = new MasqueradeSection { NonMasqueradeCidrs = ["10.9.0.0/16"] } }));
        Assert.Equal($"masquerade: the exemptions come from '{file}' (flows.ipMasqAgentConfigPath); write them there", refused.Message);

        Publish(mount, "3", "{\"nonMasqueradeCIDRs\": [], \"masqLinkLocal\": true}");
        await UntilAsync(client, "");
        Assert.Equal("172.18.0.5", world.Connect("a", World.WorldAddress, 8080, listener));
    }

    /// <summary>As the kubelet does: a directory of the version, a link to it, and the file's name a link through that one.</summary>
    private static void Publish(string mount, string version, string text)
    {
        Directory.CreateDirectory(Path.Combine(mount, ".." + version));
        File.WriteAllText(Path.Combine(mount, ".." + version, "ip-masq-agent"), text);
        string temporary = Path.Combine(mount, "..data_tmp");
        File.CreateSymbolicLink(temporary, ".." + version);
        Command.Run("mv", $"-T {temporary} {Path.Combine(mount, "..data")}");
        if (!Path.Exists(Path.Combine(mount, "ip-masq-agent")))
        {
            File.CreateSymbolicLink(Path.Combine(mount, "ip-masq-agent"), Path.Combine("..data", "ip-masq-agent"));
        }
    }

    private static async Task<List<string>> ListAsync(ControlClient client) =>
        [.. (await client.ListAsync(ControlKinds.Masquerade).ToListAsync()).Select(row => row.Prefix)];

    private static async Task UntilAsync(ControlClient client, string wanted)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (string.Join(' ', await ListAsync(client)) != wanted)
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }
}
