using System.Net.Sockets;
using System.Text;

namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>What clients do to a control socket besides malformed requests. Each takes a connection, and another when it is done or cut off.</summary>
internal static class HarmfulClients
{
    private const int Megabyte = 1 << 20;
    private static readonly byte[] s_status = """{"jsonrpc":"2.0","id":1,"method":"status"}"""u8.ToArray();
    private static readonly byte[] s_list = Encoding.UTF8.GetBytes("""{"jsonrpc":"2.0","id":2,"method":"list","params":{"kind":"counter"}}""" + "\n");

    public static IReadOnlyList<HarmfulClient> All { get; } =
    [
        new("slow", DripAsync),
        new("halfClosed", HalfCloseAsync),
        new("silent", KeepSilentAsync),
        new("neverReading", NeverReadAsync),
        new("binary", (path, end) => PourAsync(path, Random(Megabyte), 8, end)),
        new("oversized", (path, end) => PourAsync(path, Filled(' ', Megabyte), 80, end)),
        new("nested", (path, end) => AskAsync(path, [.. Filled('[', Megabyte), (byte)'\n'], end)),
        new("leaving", LeaveAsync),
        new("asking", AskOverAndOverAsync),
    ];

    public static Socket Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A byte now and then of a request that never ends.</summary>
    private static async Task DripAsync(string path, CancellationToken end)
    {
        using Socket socket = Connect(path);
        using PeriodicTimer drops = new(TimeSpan.FromMilliseconds(20));
        for (int i = 0; await drops.WaitForNextTickAsync(end); i++)
        {
            await socket.SendAsync(s_status.AsMemory(i % s_status.Length, 1), SocketFlags.None, end);
        }
    }

    private static async Task HalfCloseAsync(string path, CancellationToken end)
    {
        using Socket socket = Connect(path);
        await socket.SendAsync(s_status, SocketFlags.None, end);
        socket.Shutdown(SocketShutdown.Send);
        await ReadToEndAsync(socket, end);
    }

    private static async Task KeepSilentAsync(string path, CancellationToken end)
    {
        using Socket socket = Connect(path);
        await ReadToEndAsync(socket, end);
    }

    /// <summary>Asks until nothing can be sent any more, and waits for being cut off.</summary>
    private static async Task NeverReadAsync(string path, CancellationToken end)
    {
        using Socket socket = Connect(path);
        while (true)
        {
            await socket.SendAsync(s_list, SocketFlags.None, end);
        }
    }

    /// <summary>So many times the same without an end of a line; then away, unless cut off before.</summary>
    private static async Task PourAsync(string path, byte[] bytes, int count, CancellationToken end)
    {
        using Socket socket = Connect(path);
        for (int i = 0; i < count; i++)
        {
            await SendAllAsync(socket, bytes, end);
        }
    }

    private static async Task AskAsync(string path, byte[] line, CancellationToken end)
    {
        using Socket socket = Connect(path);
        await SendAllAsync(socket, line, end);
        await socket.ReceiveAsync(new byte[4096], SocketFlags.None, end);
    }

    /// <summary>Gone before it is answered.</summary>
    private static async Task LeaveAsync(string path, CancellationToken end)
    {
        using Socket socket = Connect(path);
        await socket.SendAsync(s_list, SocketFlags.None, end);
    }

    /// <summary>Nothing is wrong with its requests but that they have no end.</summary>
    private static async Task AskOverAndOverAsync(string path, CancellationToken end)
    {
        byte[] answer = new byte[64 * 1024];
        byte[] request = [.. s_status, (byte)'\n'];
        using Socket socket = Connect(path);
        for (int i = 0; i < 1000; i++)
        {
            await socket.SendAsync(request, SocketFlags.None, end);
            int length;
            do
            {
                length = await socket.ReceiveAsync(answer, SocketFlags.None, end);
            }
            while (length > 0 && answer[length - 1] != '\n');
        }
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken end)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, end)..];
        }
    }

    private static async Task ReadToEndAsync(Socket socket, CancellationToken end)
    {
        byte[] waste = new byte[64 * 1024];
        while (await socket.ReceiveAsync(waste, SocketFlags.None, end) > 0)
        {
            // It is of no use to us.
        }
    }

    private static byte[] Filled(char letter, int length)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill((byte)letter);
        return bytes;
    }

    private static byte[] Random(int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        bytes.AsSpan().Replace((byte)'\n', (byte)0);
        return bytes;
    }
}
