using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed partial class ErrorTests
{
    [Theory]
    [InlineData("nonsense", ErrorCode.ParseError, "the line is no JSON: it goes wrong at byte 2; send one JSON object a line")]
    [InlineData("x", ErrorCode.ParseError, "the line is no JSON: it goes wrong at byte 1; send one JSON object a line")]
    [InlineData("{\"jsonrpc\":\"2.0\",", ErrorCode.ParseError, "the line is no JSON: it goes wrong at byte 17; send one JSON object a line")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo"} {}""", ErrorCode.ParseError, "")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo\ud800"}""", ErrorCode.ParseError, "")]
    [InlineData("""[{"jsonrpc":"2.0","id":1,"method":"echo"}]""", ErrorCode.InvalidRequest, "batches are not taken")]
    [InlineData("42", ErrorCode.InvalidRequest, "a request is a JSON object")]
    [InlineData("""{"id":1,"method":"echo"}""", ErrorCode.InvalidRequest, "\"jsonrpc\" must be \"2.0\"")]
    [InlineData("""{"jsonrpc":"2.0","id":1}""", ErrorCode.InvalidRequest, "\"method\" is missing")]
    [InlineData("""{"jsonrpc":"2.0","id":{},"method":"echo"}""", ErrorCode.InvalidRequest, "\"id\" must be")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","parms":{}}""", ErrorCode.InvalidRequest, "no field \"parms\"")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"no\u001b[2Jpe"}""", ErrorCode.MethodNotFound, "there is no method \"no?[2Jpe\"; there are ")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"nope"}""", ErrorCode.MethodNotFound, "there is no method \"nope\"; there are change, ")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo"}""", ErrorCode.InvalidParams, "echo: missing \"mode\"")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":[]}""", ErrorCode.InvalidParams, "a value of the wrong shape")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":null}""", ErrorCode.InvalidParams, "null")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":{"mode":"merge","config":{"endpoints":[{"nam":"a"}]}}}""", ErrorCode.InvalidParams, "config.endpoints[0].nam: unknown field")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":{"mode":"merge","config":{"services":[{"frontends":[{"port":"80"}]}]}}}""", ErrorCode.InvalidParams, "config.services[0].frontends[0].port: a value of the wrong shape")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":{"mode":"merge","config":{"routes":[],"routes":[]}}}""", ErrorCode.InvalidParams, "config.routes: given twice")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":{"mode":"merge","config":{"endpoints":[{"name":null}]}}}""", ErrorCode.InvalidParams, "config.endpoints[0].name: null is not allowed")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"echo","params":{"mode":"1","config":{}}}""", ErrorCode.InvalidParams, "mode: ")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"nope"}}""", ErrorCode.InvalidParams, "kind: there is no \"nope\"; there are counter, masquerade, port")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"counter","limit":0}}""", ErrorCode.InvalidParams, "limit: 0 is less than 1")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"watch","params":{"kind":"counter","intervalMilliseconds":99}}""", ErrorCode.InvalidParams, "intervalMilliseconds: 99")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"unwatch","params":{"subscription":5}}""", ErrorCode.NotFound, "there is no subscription 5")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"crash"}""", ErrorCode.InternalError, "its log has it")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"fail","params":{"kind":"InvalidConfiguration","names":["it \"clashes\""]}}""", ErrorCode.InvalidConfiguration, "it \"clashes\"")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":"fail","params":{"kind":"DeviceFailed","names":["tap0: busy"]}}""", ErrorCode.DeviceFailed, "tap0: busy")]
    public async Task Each_fault_has_its_code_and_a_sentence_and_the_connection_lives(string line, ErrorCode code, string sentence)
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        JsonNode answer = await client.AskAsync(line);
        Assert.Equal("2.0", (string)answer["jsonrpc"]!);
        Assert.Equal((int)code, (int)answer["error"]!["code"]!);
        Assert.Contains(sentence, (string)answer["error"]!["message"]!);
        Assert.DoesNotContain("ClusterMesh.Datapath", (string)answer["error"]!["message"]!);
        Assert.DoesNotContain("LineNumber", (string)answer["error"]!["message"]!);
        Assert.NotNull((await client.AskAsync("""{"jsonrpc":"2.0","id":9,"method":"list","params":{"kind":"masquerade"}}"""))["result"]);
        Assert.Equal(code == ErrorCode.InternalError ? 1 : 0, server.Faults.Count);
    }

    [Fact]
    public async Task Binary_garbage_is_answered_as_no_JSON_and_the_connection_lives()
    {
        await using TestServer server = new TestServer().Start();
        Random random = new(20260101);
        using RawClient client = new(server.SocketPath);
        for (int turn = 0; turn < 200; turn++)
        {
            byte[] garbage = new byte[random.Next(1, 400)];
            random.NextBytes(garbage);
            garbage.AsSpan().Replace((byte)'\n', (byte)0);
            garbage[0] = 0xfe;
            client.Send([.. garbage, (byte)'\n']);
            Assert.Equal((int)ErrorCode.ParseError, (int)(await client.ReadAsync())["error"]!["code"]!);
        }

        foreach (byte[] line in (byte[][])[[.. "{\"jsonrpc\":\"2.0\",\"id\":\""u8, 0xff, .. "\",\"method\":\"echo\"}\n"u8], [.. "{\"jsonrpc\":\"2.0\",\"method\":\""u8, 0xff, .. "\"}\n"u8]])
        {
            client.Send(line);
            Assert.Equal((int)ErrorCode.ParseError, (int)(await client.ReadAsync())["error"]!["code"]!);
        }
    }

    [Theory]
    [InlineData(70)]
    [InlineData(1_000_000)]
    public async Task Deep_nesting_is_refused(int depth)
    {
        await using TestServer server = new TestServer().Start();
        using RawClient client = new(server.SocketPath);
        JsonNode answer = await client.AskAsync(
            """{"jsonrpc":"2.0","id":1,"method":"echo","params":""" + new string('[', depth) + new string(']', depth) + "}");
        Assert.Equal((int)ErrorCode.ParseError, (int)answer["error"]!["code"]!);
        Assert.Equal("the line is no JSON: it is nested deeper than 64 levels", (string)answer["error"]!["message"]!);
    }

    [Fact]
    public void The_table_of_the_documentation_is_the_enum()
    {
        string documentation = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "control-protocol.md"));
        Dictionary<string, int> documented = Row().Matches(documentation).ToDictionary(row => row.Groups[2].Value, row => int.Parse(row.Groups[1].Value));
        Assert.Equal(Enum.GetValues<ErrorCode>().ToDictionary(code => code.ToString(), code => (int)code), documented);
    }

    [GeneratedRegex(@"^\| (-?\d+) \| (\w+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();

    private static string RepositoryRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Directory.Packages.props")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new DirectoryNotFoundException("no Directory.Packages.props above the test");
    }
}
