using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control.Documents;
using CsCheck;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class FramingTests
{
    [Fact]
    public async Task Requests_are_understood_however_their_bytes_are_split()
    {
        await using TestServer server = new TestServer().Start();
        Gen<string> name = Gen.String[Gen.Char['a', 'z'], 0, 300].Select(text => text + "\u00e9\U0001f600");
        Gen<(string[], int[])> sample = Gen.Select(name.Array[1, 8], Gen.Int[1, 200].Array[1, 20]);
        sample.Sample(
            input =>
            {
                (string[] names, int[] lengths) = input;
                StringBuilder text = new();
                for (int i = 0; i < names.Length; i++)
                {
                    text.Append($"{{\"jsonrpc\":\"2.0\",\"id\":{i},\"method\":\"echo\",\"params\":{{\"mode\":\"merge\",\"config\":{{\"endpoints\":[{{\"name\":{JsonSerializer.Serialize(names[i])}}}]}}}}}}\n");
                }

                byte[] bytes = Encoding.UTF8.GetBytes(text.ToString());
                using RawClient client = new(server.SocketPath);
                for (int at = 0, turn = 0; at < bytes.Length; turn++)
                {
                    int length = Math.Min(lengths[turn % lengths.Length], bytes.Length - at);
                    client.Send(bytes.AsSpan(at, length));
                    at += length;
                }

                client.EndInput();
                SortedDictionary<int, string> got = [];
                while (client.ReadLineAsync().GetAwaiter().GetResult() is string line)
                {
                    JsonNode answer = JsonNode.Parse(line)!;
                    got.Add((int)answer["id"]!, (string)answer["result"]!["config"]!["endpoints"]![0]!["name"]!);
                }

                return got.Values.SequenceEqual(names);
            },
            iter: 60, threads: 1);
    }

    [Fact]
    public async Task A_client_that_ends_its_input_gets_its_answers_also_without_a_newline()
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        client.Send("""{"jsonrpc":"2.0","id":"last","method":"list","params":{"kind":"masquerade"}}""");
        client.EndInput();
        Assert.Equal("""{"jsonrpc":"2.0","id":"last","result":{"version":7,"items":[],"next":null}}""", await client.ReadLineAsync());
        Assert.Null(await client.ReadLineAsync());
    }

    [Fact]
    public async Task Requests_run_side_by_side()
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        client.Send("""{"jsonrpc":"2.0","id":1,"method":"slow"}""" + "\n");
        Assert.Equal(2, (int)(await client.AskAsync("""{"jsonrpc":"2.0","id":2,"method":"list","params":{"kind":"masquerade"}}"""))["id"]!);
        server.Gate.SetResult();
        Assert.Equal(1, (int)(await client.ReadAsync())["id"]!);
    }

    [Fact]
    public async Task A_notification_is_done_and_not_answered()
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        server.Gate.SetResult();
        client.Send("""{"jsonrpc":"2.0","method":"slow"}""" + "\n\r\n");
        Assert.Equal("x", (string)(await client.AskAsync("""{"jsonrpc":"2.0","id":"x","method":"slow"}"""))["id"]!);
        client.EndInput();
        Assert.Null(await client.ReadLineAsync());
        Assert.Equal(2, server.SlowCount);
    }

    [Fact]
    public void A_document_keeps_its_defaults_and_leaves_nulls_out()
    {
        ChangeDocument change = JsonSerializer.Deserialize("""{"endpoints":[{"name":"a"}]}""", ControlJson.Default.ChangeDocument)!;
        Assert.Equal("eth0", change.Endpoints![0].Interface);
        Assert.Equal(
            """{"endpoints":[{"name":"a","namespace":"","interface":"eth0","addresses":[],"offloads":"on"}]}""",
            JsonSerializer.Serialize(change, ControlJson.Default.ChangeDocument));
    }
}
