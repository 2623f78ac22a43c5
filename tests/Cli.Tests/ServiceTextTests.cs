using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>cmesh service maglev and cmesh service select.</summary>
public sealed class ServiceTextTests
{
    private static readonly MaglevResult s_table = new(
        "10.2.33.10:80/TCP", "default/webpod", 251, "JLfvgnHc2kaSUFaI", true, [new MaglevShare(1, "10.0.1.14:80/TCP", 100, 126), new MaglevShare(12, "10.1.1.2:80/TCP", 100, 125)], [1, 12]);

    private static readonly SelectResult s_choice = new(
        "10.2.33.10:80/TCP", "default/webpod", "10.0.1.105:40000", "pod", "maglev", "Maglev: hash 7, entry 7 of 251, among 2 active backends", [], "10.0.1.14:80/TCP", 1, 7, 7);

    [Fact]
    public void A_table_by_its_shares() => Same(
        """
        Service:     default/webpod
        Frontend:    10.2.33.10:80/TCP
        Table:       251 entries, seed JLfvgnHc2kaSUFaI, in use
        ID   BACKEND            WEIGHT   ENTRIES   SHARE
        1    10.0.1.14:80/TCP   100      126       50.20%
        12   10.1.1.2:80/TCP    100      125       49.80%
        """,
        ServiceText.Maglev(s_table));

    [Fact]
    public void A_table_that_is_not_in_use_says_so() =>
        Assert.Contains("not in use", string.Join('\n', ServiceText.Maglev(s_table with { Used = false })));

    [Fact]
    public void A_choice_and_why() => Same(
        """
        Service:     default/webpod
        Frontend:    10.2.33.10:80/TCP
        Client:      10.0.1.105:40000 (pod)
        Backend:     10.0.1.14:80/TCP (id 1)
        Why:         Maglev: hash 7, entry 7 of 251, among 2 active backends
        """,
        ServiceText.Select(s_choice));

    [Fact]
    public void Chance_names_the_candidates_and_a_drop_none()
    {
        SelectResult dice = s_choice with { Backend = null, BackendId = null, Candidates = ["a", "b"] };
        Assert.Contains("Backend:     one of a, b", ServiceText.Select(dice));
        Assert.Contains("Backend:     none", ServiceText.Select(dice with { Candidates = [] }));
    }

    [Fact]
    public async Task The_commands_ask_the_forwarder()
    {
        await using FakeForwarder fake = new FakeForwarder().With("west", "west-worker");
        (int code, string output, string error) = await fake.RunAsync("service", "maglev", "default/webpod", "--table-size", "509", "-o", "json");
        Assert.Equal((0, ""), (code, error));
        Assert.Contains("\"tableSize\": 509", output);
        Assert.Contains("\"table\": [", output);
        Assert.Contains("Why:         asked for 10.0.1.105:1", (await fake.RunAsync("service", "select", "default/webpod", "--from", "10.0.1.105:1")).Output);
        Assert.Contains("\"from\": \"10.0.1.105:1\"", (await fake.RunAsync("service", "select", "default/webpod", "--from", "10.0.1.105:1", "-o", "json")).Output);
        Assert.Equal(2, (await fake.RunAsync("service", "select", "default/webpod")).Code);
    }

    private static void Same(string wanted, IEnumerable<string> got) => Assert.Equal(wanted, string.Join('\n', got));
}
