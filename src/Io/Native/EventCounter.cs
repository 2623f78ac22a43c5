namespace ClusterMesh.Datapath.Io.Native;

/// <summary>An eventfd: any thread adds to it, and whoever waits for it goes on.</summary>
internal sealed unsafe class EventCounter : IDisposable
{
    private readonly FileDescriptor _file;

    public EventCounter()
    {
        int result = SystemCalls.EventCounter(out FileDescriptor? file);
        _file = file ?? throw new DeviceException($"eventfd: {new KernelError(-result)}");
    }

    /// <summary>Of another process.</summary>
    public EventCounter(FileDescriptor file) => _file = file;

    /// <summary>For the one who waits.</summary>
    public FileDescriptor File => _file;

    public void Signal()
    {
        // May race with Dispose at the end of a worker's life: hold the number against reuse.
        bool held = false;
        try
        {
            _file.DangerousAddRef(ref held);
            ulong one = 1;
            _ = SystemCalls.Write(_file.Number, new ReadOnlySpan<byte>(&one, sizeof(ulong))); // full means a signal is due anyway
        }
        catch (ObjectDisposedException)
        {
            // Nobody waits any more.
        }
        finally
        {
            if (held)
            {
                _file.DangerousRelease();
            }
        }
    }

    public void Drain()
    {
        ulong count;
        _ = SystemCalls.Read(_file.Number, new Span<byte>(&count, sizeof(ulong)));
    }

    public void Dispose() => _file.Dispose();
}
