using System.Diagnostics;
using ClusterMesh.Datapath.Mesh.Store;
using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests.Store;

/// <summary>The store tests on the embedded store, and what a crash or a full disk leaves of it.</summary>
public sealed class EmbeddedStoreTests : StoreTests, IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-store-").FullName;
    private EmbeddedStore _store;

    public EmbeddedStoreTests() => _store = EmbeddedStore.Open(_directory, _time);

    protected override IClusterStore Store => _store;

    private string JournalPath => Path.Combine(_directory, "store.journal");

    [Fact]
    public async Task What_was_answered_is_there_after_a_restart()
    {
        Random random = new(7);
        Dictionary<string, string> twin = [];
        for (int i = 0; i < 500; i++)
        {
            string key = $"k{random.Next(60)}";
            if (random.Next(4) == 0)
            {
                twin.Remove(key);
                await _store.CommitAsync([new StoreWrite(Prefix + key, null)]);
            }
            else
            {
                twin[key] = $"v{i}";
                await _store.CommitAsync([Write(key, $"v{i}")]);
            }

            if (i % 50 == 49)
            {
                await ReopenAsync();
                Assert.Equal(twin.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value}"), await ContentAsync());
            }
        }
    }

    [Fact]
    public async Task Revisions_go_on_over_a_restart_and_old_watches_must_list_again()
    {
        await PutAsync("a", [1]);
        long before = (await _store.ListAsync(Prefix, null, 1)).Revision;
        await ReopenAsync();
        Assert.Equal(before, (await _store.ListAsync(Prefix, null, 1)).Revision);
        StoreException fault = await Assert.ThrowsAsync<StoreException>(async () => await _store.WatchAsync(Prefix, before).GetAsyncEnumerator().MoveNextAsync());
        Assert.Equal(StoreFault.Compacted, fault.Fault);
        await using IAsyncEnumerator<StoreBatch> watch = _store.WatchAsync(Prefix, before + 1).GetAsyncEnumerator();
        Assert.True(await watch.MoveNextAsync());
        await PutAsync("a", [2]);
        Assert.Equal(before + 1, (await TakeAsync(watch, 1))[0].Revision);
    }

    [Fact]
    public async Task A_lease_survives_a_restart_and_then_expires()
    {
        long lease = await _store.GrantLeaseAsync(TimeSpan.FromSeconds(10));
        await _store.CommitAsync([Write("a", "1", lease)]);
        _time.Advance(TimeSpan.FromSeconds(9));
        await ReopenAsync();
        long revision = (await _store.ListAsync(Prefix, null, 1)).Revision;
        await using IAsyncEnumerator<StoreBatch> watch = _store.WatchAsync(Prefix, revision + 1).GetAsyncEnumerator();
        await watch.MoveNextAsync();
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("1", await TextAsync("a"));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null((await TakeAsync(watch, 1))[0].Value);
        Assert.NotEqual(lease, await _store.GrantLeaseAsync(TimeSpan.FromSeconds(10)));
    }

    /// <summary>A crash can stop a write at any byte: every commit before it is there, and the store goes on.</summary>
    [Fact]
    public async Task A_torn_tail_is_cut_off_at_every_byte()
    {
        await PutAsync("a", [1]);
        long whole = new FileInfo(JournalPath).Length;
        await PutAsync("b", [2, 3, 4]);
        await _store.DisposeAsync();
        byte[] file = await File.ReadAllBytesAsync(JournalPath);
        for (int length = (int)whole; length < file.Length; length++)
        {
            await File.WriteAllBytesAsync(JournalPath, file[..length]);
            _store = EmbeddedStore.Open(_directory, _time);
            Assert.NotNull(await _store.GetAsync(Prefix + "a"));
            Assert.Null(await _store.GetAsync(Prefix + "b"));
            await PutAsync("c", [5]);
            await ReopenAsync();
            Assert.NotNull(await _store.GetAsync(Prefix + "c"));
            await _store.DisposeAsync();
        }

        // The length of a record written, its blocks not: they read as zeros.
        await File.WriteAllBytesAsync(JournalPath, [.. file[..(int)whole], .. new byte[file.Length - whole]]);
        _store = EmbeddedStore.Open(_directory, _time);
        Assert.NotNull(await _store.GetAsync(Prefix + "a"));
        await _store.DisposeAsync();
        await File.WriteAllBytesAsync(JournalPath, [.. file[..((int)whole + 9)], .. new byte[file.Length - whole - 9]]);
        _store = EmbeddedStore.Open(_directory, _time);
        Assert.Null(await _store.GetAsync(Prefix + "b"));
    }

    [Fact]
    public async Task Damage_before_the_end_is_refused_with_its_place()
    {
        await PutAsync("a", new byte[100]);
        await PutAsync("b", new byte[100]);
        long behind = new FileInfo(JournalPath).Length;
        await PutAsync("c", new byte[100]);
        await _store.DisposeAsync();
        byte[] file = await File.ReadAllBytesAsync(JournalPath);
        for (int at = 8; at < behind; at += 7)
        {
            byte[] damaged = [.. file];
            damaged[at] ^= 0x41;
            await File.WriteAllBytesAsync(JournalPath, damaged);
            StoreException fault = Assert.Throws<StoreException>(() => EmbeddedStore.Open(_directory, _time));
            Assert.Contains("the store is damaged at byte", fault.Message);
        }

        await File.WriteAllBytesAsync(JournalPath, file);
        _store = EmbeddedStore.Open(_directory, _time);
        Assert.NotNull(await _store.GetAsync(Prefix + "c"));
    }

    [Fact]
    public async Task A_second_agent_is_kept_out()
    {
        StoreException fault = Assert.Throws<StoreException>(() => EmbeddedStore.Open(_directory, _time));
        Assert.Equal($"{JournalPath}: another process has the store open; is a second agent running for this node?", fault.Message);
        await PutAsync("a", [1]);
    }

    [Fact]
    public async Task A_file_of_somebody_else_is_left_alone()
    {
        await _store.DisposeAsync();
        await File.WriteAllTextAsync(JournalPath, "a letter to somebody");
        StoreException fault = Assert.Throws<StoreException>(() => EmbeddedStore.Open(_directory, _time));
        Assert.Equal($"{JournalPath}: this is no store of cmesh-agent; name another directory", fault.Message);
        Assert.Equal("a letter to somebody", await File.ReadAllTextAsync(JournalPath));
    }

    [Fact]
    public async Task A_long_journal_is_rewritten_to_what_is_there()
    {
        byte[] value = new byte[100_000];
        long lease = await _store.GrantLeaseAsync(TimeSpan.FromHours(1));
        await _store.CommitAsync([Write("kept", "1", lease)]);
        for (int i = 0; i < 100; i++)
        {
            value[0] = (byte)i;
            await PutAsync("a", value);
        }

        Assert.InRange(new FileInfo(JournalPath).Length, 100_000, 5_000_000);
        await ReopenAsync();
        Assert.Equal(99, (await _store.GetAsync(Prefix + "a"))!.Value.Value.Span[0]);
        Assert.True(await _store.KeepLeaseAliveAsync(lease));
        Assert.Equal(lease, (await _store.GetAsync(Prefix + "kept"))!.Value.Lease);
    }

    [Fact]
    public async Task A_slow_watch_is_told_to_list_again()
    {
        long revision = (await _store.ListAsync(Prefix, null, 1)).Revision;
        await using IAsyncEnumerator<StoreBatch> watch = _store.WatchAsync(Prefix, revision + 1).GetAsyncEnumerator();
        Assert.True(await watch.MoveNextAsync());
        for (int i = 0; i < 140; i++)
        {
            await _store.CommitAsync([.. Enumerable.Range(0, 128).Select(k => Write($"{k}", $"{i}"))]);
        }

        StoreException fault = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            while (await watch.MoveNextAsync())
            {
            }
        });
        Assert.Equal(StoreFault.Compacted, fault.Fault);
    }

    /// <summary>A file system of 256 KiB, full: the write is refused, nothing is lost, and with room it goes on.</summary>
    [Fact]
    public async Task A_full_disk_refuses_and_loses_nothing()
    {
        string small = Path.Combine(_directory, "small");
        Directory.CreateDirectory(small);
        Run("mount", "-t", "tmpfs", "-o", "size=256k", "cmesh-test", small);
        try
        {
            await using EmbeddedStore store = EmbeddedStore.Open(small, _time);
            await store.CommitAsync([new StoreWrite("first", new byte[1000])]);
            string ballast = Path.Combine(small, "ballast");
            await File.WriteAllBytesAsync(ballast, new byte[200_000]);
            StoreException fault = await Assert.ThrowsAsync<StoreException>(() => store.CommitAsync([new StoreWrite("second", new byte[100_000])]));
            Assert.Equal(StoreFault.Full, fault.Fault);
            Assert.Equal($"{small}/store.journal: the disk is full; nothing was stored; free some space and try again", fault.Message);
            Assert.Equal(new StoreHealth(false, fault.Message), store.Health);
            Assert.Null(await store.GetAsync("second"));
            Assert.NotNull(await store.GetAsync("first"));

            File.Delete(ballast);
            await store.CommitAsync([new StoreWrite("second", new byte[100_000])]);
            Assert.True(store.Health.IsConnected);
            await store.DisposeAsync();
            await using EmbeddedStore again = EmbeddedStore.Open(small, _time);
            Assert.Equal((1000, 100_000), ((await again.GetAsync("first"))!.Value.Value.Length, (await again.GetAsync("second"))!.Value.Value.Length));
        }
        finally
        {
            Run("umount", small);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    protected override void PassTime(TimeSpan time) => _time.Advance(time);

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(program, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private async Task ReopenAsync()
    {
        await _store.DisposeAsync();
        _store = EmbeddedStore.Open(_directory, _time);
    }

    private async Task<string[]> ContentAsync() =>
        [.. (await _store.ListAsync(Prefix, null, 1000)).Entries.Select(e => $"{e.Key[Prefix.Length..]}={System.Text.Encoding.UTF8.GetString(e.Value.Span)}")];
}
