using System.Net.Sockets;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Benchmarks.Abuse;

/// <summary>Sends malformed requests, as many at once as a connection takes of them, and counts the lines that come back.</summary>
internal sealed class MalformedClient(AbuseTally tally, int seed)
{
    /// <summary>As ControlLimits.MalformedCount: behind so many the server says so in a line more and closes.</summary>
    private const int MostOnConnection = 1000;

    private const int Burst = 100;

    private readonly MalformedRequests _requests = new(seed);
    private readonly byte[] _input = new byte[64 * 1024];

    public async Task RunAsync(CancellationToken cancellation)
    {
        int count;
        while ((count = tally.Claim(MostOnConnection)) > 0)
        {
            while (count > 0)
            {
                count -= await SendAsync(count, cancellation);
            }
        }
    }

    /// <returns>How many were sent: none when the server has no place for us yet.</returns>
    private async Task<int> SendAsync(int count, CancellationToken cancellation)
    {
        using Socket socket = HarmfulClients.Connect(tally.SocketPath);
        int sent = 0;
        int lines = 0;
        using MemoryStream burst = new();
        try
        {
            while (sent < count)
            {
                burst.SetLength(0);
                int length = Math.Min(Burst, count - sent);
                for (int i = 0; i < length; i++)
                {
                    burst.Write(_requests.Next());
                }

                // Both at once: a server that cannot get rid of its answers takes no more requests.
                Task<int> sending = SendAllAsync(socket, burst.GetBuffer().AsMemory(0, (int)burst.Length), cancellation);
                sent += length;
                while (lines < sent)
                {
                    int more = await ReadAsync(socket, cancellation);
                    if (more == 0)
                    {
                        throw new SocketException((int)SocketError.ConnectionReset);
                    }

                    lines += more;
                }

                await sending;
            }

            bool isParted = false;
            if (count == MostOnConnection)
            {
                int more;
                while ((more = await ReadAsync(socket, cancellation)) > 0)
                {
                    lines += more;
                }

                isParted = lines == count + 1;
            }

            tally.Answered(count, isParted);
            return count;
        }
        catch (SocketException)
        {
            // Refused before it asked for anything, which is told in a line and no loss: its turn comes.
            if (lines <= 1)
            {
                cancellation.ThrowIfCancellationRequested();
                return 0;
            }

            tally.Answered(lines, isParted: false);
            tally.Unanswered(sent - lines);
            return sent;
        }
    }

    private static async Task<int> SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        int length = bytes.Length;
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellation)..];
        }

        return length;
    }

    /// <returns>Lines that ended in what was read; 0 at the end of the connection.</returns>
    private async Task<int> ReadAsync(Socket socket, CancellationToken cancellation)
    {
        while (true)
        {
            int length = await socket.ReceiveAsync(_input, SocketFlags.None, cancellation);
            int lines = _input.AsSpan(0, length).Count((byte)'\n');
            if (length == 0 || lines > 0)
            {
                return lines;
            }
        }
    }
}
