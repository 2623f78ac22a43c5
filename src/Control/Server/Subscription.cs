using System.Security.Cryptography;
using System.Text.Json;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>
/// One watch of one connection: walks the rows of its kind and tells the client what differs from the walk before. Of each row only
/// the key and a digest are kept. Events that the client does not take hold up the next walk, so nothing queues.
/// </summary>
internal sealed class Subscription(ControlConnection connection, ListedKind kind, long number, TimeSpan interval) : IDisposable
{
    private const int BatchLength = 64 * 1024;

    /// <summary>Cancelled from several threads, also late ones; it has no timer, so there is nothing to dispose.</summary>
    private readonly CancellationTokenSource _ended = new();
    private readonly Dictionary<string, (UInt128 Digest, int Walk)> _known = [];
    private readonly MessageBuffer _batch = new();
    private int _walk;

    public void End() => _ended.Cancel();

    public void Dispose() => _batch.Dispose();

    /// <param name="inputEnded">The client sends no more: the watch ends when the first full set is out.</param>
    public async Task RunAsync(ControlServer server, CancellationToken inputEnded)
    {
        try
        {
            using CancellationTokenSource wake = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token, inputEnded);
            while (!_ended.IsCancellationRequested)
            {
                // Taken before the walk: a change during it must cause another one.
                Task changed = server.NextChange;
                await WalkAsync();
                if (kind.Live)
                {
                    await Task.Delay(interval, wake.Token);
                }
                else
                {
                    await changed.WaitAsync(wake.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Ended by unwatch, by the client's end of input or by the server's stop.
        }
        catch (ControlException refusal)
        {
            await EndAsync(refusal.Message);
        }
        catch (Exception fault) when (fault is not IOException)
        {
            server.ReportFault($"watch {kind.Name}", fault);
            await EndAsync("a fault of the forwarder's own ended the watch; its log has it");
        }
        catch (IOException)
        {
            // The client is gone; the connection ends by itself.
        }
        finally
        {
            Dispose();
            connection.Forget(number);
        }
    }

    /// <summary>Compares one row with what the client knows.</summary>
    public async ValueTask SeeAsync(string key, ReadOnlyMemory<byte> json)
    {
        UInt128 digest = DigestOf(json.Span);
        bool known = _known.TryGetValue(key, out (UInt128 Digest, int Walk) before);
        if (known && before.Walk == _walk)
        {
            return;
        }

        if (!known && _known.Count >= connection.Limits.WatchedObjectCount)
        {
            throw new ControlException(
                ErrorCode.TooManyRequests, $"a watch follows at most {connection.Limits.WatchedObjectCount} objects of kind {kind.Name}; use list");
        }

        _known[key] = (digest, _walk);
        if (!known || before.Digest != digest)
        {
            await EmitAsync(known ? "changed" : "added", key, json);
        }
    }

    private async Task WalkAsync()
    {
        _walk++;
        await kind.WalkAsync(this, _ended.Token);
        List<string>? gone = null;
        foreach ((string key, (UInt128 Digest, int Walk) seen) in _known)
        {
            if (seen.Walk != _walk)
            {
                (gone ??= []).Add(key);
            }
        }

        foreach (string key in gone ?? [])
        {
            _known.Remove(key);
            await EmitAsync("removed", key, default);
        }

        if (_walk == 1)
        {
            await EmitAsync("synced", null, default);
        }

        await FlushAsync();
    }

    private async Task EndAsync(string message)
    {
        try
        {
            Write("ended", null, default, message);
            await FlushAsync();
        }
        catch (IOException)
        {
            // Nobody is left to hear it.
        }
    }

    private async ValueTask EmitAsync(string type, string? key, ReadOnlyMemory<byte> json)
    {
        Write(type, key, json.Span, null);
        if (_batch.Length >= BatchLength)
        {
            await FlushAsync();
        }
    }

    private async ValueTask FlushAsync()
    {
        if (_batch.Length > 0)
        {
            await connection.SendAsync(_batch);
            _batch.Clear();
        }
    }

    private void Write(string type, string? key, ReadOnlySpan<byte> json, string? message)
    {
        using (Utf8JsonWriter writer = new(_batch, ControlJson.s_writer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WriteString("method"u8, "event"u8);
            writer.WriteStartObject("params"u8);
            writer.WriteNumber("subscription"u8, number);
            writer.WriteString("kind"u8, kind.Name);
            writer.WriteString("type"u8, type);
            if (key is not null)
            {
                writer.WriteString("key"u8, key);
            }

            if (!json.IsEmpty)
            {
                writer.WritePropertyName("object"u8);
                writer.WriteRawValue(json, skipInputValidation: true);
            }

            if (message is not null)
            {
                writer.WriteString("message"u8, message);
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        _batch.Write((byte)'\n');
    }

    /// <summary>Half of a SHA-256: no row that differs passes for the same.</summary>
    private static UInt128 DigestOf(ReadOnlySpan<byte> json)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(json, digest);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128LittleEndian(digest);
    }
}
