using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>A client that knows nothing: bytes out, lines in.</summary>
internal sealed class RawClient : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StreamReader _lines;

    public RawClient(string path)
    {
        _socket.Connect(new UnixDomainSocketEndPoint(path));
        _lines = new StreamReader(new NetworkStream(_socket));
    }

    public void Send(string text) => Send(Encoding.UTF8.GetBytes(text));

    public void Send(ReadOnlySpan<byte> bytes) => _socket.Send(bytes);

    /// <summary>For a server that may have closed already, having said why.</summary>
    public void TrySend(string text)
    {
        try
        {
            Send(text);
        }
        catch (SocketException)
        {
            // What it said is there to be read.
        }
    }

    public Task SendAsync(ReadOnlyMemory<byte> bytes) => _socket.SendAsync(bytes).AsTask();

    public void EndInput() => _socket.Shutdown(SocketShutdown.Send);

    public async Task<JsonNode> ReadAsync() => JsonNode.Parse((await ReadLineAsync())!)!;

    /// <summary>Null at the end of the connection.</summary>
    public async Task<string?> ReadLineAsync()
    {
        try
        {
            return await _lines.ReadLineAsync().WaitAsync(s_patience);
        }
        catch (IOException)
        {
            return null;
        }
    }

    public async Task<JsonNode> AskAsync(string line)
    {
        Send(line + "\n");
        return await ReadAsync();
    }

    public void Dispose()
    {
        _lines.Dispose();
        _socket.Dispose();
    }
}
