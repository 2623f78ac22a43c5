using System.Text;

namespace ClusterMesh.Datapath.Testing;

/// <summary>
/// Lines that no control socket can take, always the same for a seed: bytes at random, JSON that breaks off, nests too deep or is no request,
/// requests with parameters of the wrong shape, and good requests with one byte changed. Each ends with a newline and is answered by one line.
/// </summary>
public sealed class MalformedRequests(int seed)
{
    private const int LongestGarbage = 300;
    private const int DeepestNesting = 2_000;

    private static readonly string[] s_good =
    [
        """{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"conntrack","limit":10}}""",
        """{"jsonrpc":"2.0","id":2,"method":"apply","params":{"mode":"merge","config":{"services":[{"name":"default/webpod"}]}}}""",
        """{"jsonrpc":"2.0","id":3,"method":"trace","params":{"packets":[{"from":"default/a","to":"default/b"}]}}""",
        """{"jsonrpc":"2.0","id":4,"method":"select","params":{"service":"default/webpod","from":"10.0.1.105:40000"}}""",
    ];

    private static readonly string[] s_wrong =
    [
        """{"jsonrpc":"2.0","id":5,"method":"nothing"}""",
        """{"jsonrpc":"1.0","id":6,"method":"status"}""",
        """{"jsonrpc":"2.0","id":7}""",
        """{"jsonrpc":"2.0","id":[8],"method":"status"}""",
        """{"jsonrpc":"2.0","id":9,"method":"list","params":{"kind":"nothing"}}""",
        """{"jsonrpc":"2.0","id":10,"method":"list","params":[1,2,3]}""",
        """{"jsonrpc":"2.0","id":11,"method":"list","params":{"kind":"conntrack","limit":99999999999999999999}}""",
        """{"jsonrpc":"2.0","id":12,"method":"watch","params":{"kind":"conntrack","intervalMilliseconds":-1}}""",
        """[{"jsonrpc":"2.0","id":13,"method":"status"}]""",
        "\"a string\"",
        "null",
        "{}",
    ];

    private readonly Random _random = new(seed);

    public byte[] Next() => _random.Next(5) switch
    {
        0 => Garbage(),
        1 => Encoding.UTF8.GetBytes(s_wrong[_random.Next(s_wrong.Length)] + "\n"),
        2 => Broken(),
        3 => Nested(),
        _ => Changed(),
    };

    private byte[] Garbage()
    {
        byte[] line = new byte[_random.Next(2, LongestGarbage)];
        _random.NextBytes(line);
        for (int i = 0; i < line.Length; i++)
        {
            line[i] = line[i] == (byte)'\n' ? (byte)0 : line[i];
        }

        line[0] = 0xFF; // no text begins so, and no line is blank
        line[^1] = (byte)'\n';
        return line;
    }

    private byte[] Broken()
    {
        string good = s_good[_random.Next(s_good.Length)];
        return Encoding.UTF8.GetBytes(good[.._random.Next(1, good.Length)] + "\n");
    }

    private byte[] Nested()
    {
        int depth = _random.Next(65, DeepestNesting);
        return Encoding.UTF8.GetBytes((_random.Next(2) == 0 ? new string('[', depth) : string.Concat(Enumerable.Repeat("{\"a\":", depth))) + "\n");
    }

    /// <summary>A brace or a colon less: the line is surely no JSON any more.</summary>
    private byte[] Changed()
    {
        byte[] line = Encoding.UTF8.GetBytes(s_good[_random.Next(s_good.Length)] + "\n");
        int[] places = [.. Enumerable.Range(0, line.Length).Where(i => line[i] is (byte)'{' or (byte)'}')];
        line[places[_random.Next(places.Length)]] = (byte)_random.Next('a', 'z');
        return line;
    }
}
