using System.Buffers.Binary;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>cmesh capture: whole blocks into a file, and the figures at the end. What is in the blocks is the forwarder's (Forwarder.Tests).</summary>
public sealed class CaptureCommandTests : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("cmesh-");
    private readonly List<CaptureRequest> _requests = [];
    private readonly ControlServer _server;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public CaptureCommandTests()
    {
        string capture = Path.Combine(_directory.FullName, "capture.sock");
        _listener.Bind(new UnixDomainSocketEndPoint(capture));
        _listener.Listen(1);
        _server = new ControlServer(Path.Combine(_directory.FullName, "west-worker", "control.sock"));
        _server.Map("capture", ControlRole.Admin, ControlJson.Default.CaptureRequest, ControlJson.Default.CaptureResult, (request, _) =>
        {
            _requests.Add(request);
            return new(new CaptureResult(capture));
        });
        _server.Start();
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _listener.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task Whole_blocks_go_into_the_file_and_losses_are_told()
    {
        byte[] statistics = [.. new byte[12], 5, 0, 8, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        byte[] stream = [.. Block(6, new byte[20]), .. Block(6, new byte[40]), .. Block(5, statistics)];
        Task<(int Code, string Output, string Error)> running = RunAsync("capture", "-w", File, "--pod", "default/a", "--host", "10.0.0.1", "--port", "80", "-c", "2", "--verdict", "dropped");
        await ServeAsync([.. stream, .. Block(6, new byte[20])[..9]]); // The last is cut off.
        Assert.Equal((0, "", "2 frames captured, 42 lost because they were not taken in time\n"), await running);
        Assert.Equal(stream, await System.IO.File.ReadAllBytesAsync(File));
        CaptureRequest asked = Assert.Single(_requests);
        Assert.Equal(("default/a", "10.0.0.1", 80, 2, "dropped"), (asked.Pods![0], asked.Hosts![0], asked.Ports![0], asked.Count, asked.Verdict));
    }

    [Fact]
    public async Task What_is_no_pcapng_is_refused()
    {
        Task<(int Code, string Output, string Error)> running = RunAsync("capture", "-w", File);
        await ServeAsync([1, 2, 3, 4, 0xFF, 0xFF, 0xFF, 0xFF]);
        (int code, _, string error) = await running;
        Assert.Equal((1, $"Error: {_directory.FullName}/capture.sock: what comes is no pcapng (a block of 4294967295 bytes); are cmesh and the forwarder of one version?\n"), (code, error));
    }

    [Fact]
    public async Task A_file_that_cannot_be_written_is_said()
    {
        (int code, _, string error) = await RunAsync("capture", "-w", "/nowhere/x.pcapng");
        Assert.Equal(1, code);
        Assert.StartsWith("Error: /nowhere/x.pcapng: cannot be written (Could not find a part of the path", error, StringComparison.Ordinal);
    }

    private string File => Path.Combine(_directory.FullName, "x.pcapng");

    private static byte[] Block(uint type, byte[] body)
    {
        byte[] block = new byte[body.Length + 12];
        BinaryPrimitives.WriteUInt32LittleEndian(block, type);
        BinaryPrimitives.WriteInt32LittleEndian(block.AsSpan(4), block.Length);
        body.CopyTo(block, 8);
        BinaryPrimitives.WriteInt32LittleEndian(block.AsSpan(block.Length - 4), block.Length);
        return block;
    }

    private async Task ServeAsync(byte[] stream)
    {
        using Socket client = await _listener.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(10));
        await client.SendAsync(stream);
        client.Shutdown(SocketShutdown.Both);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        StringWriter output = new();
        StringWriter error = new();
        Screen screen = new(output, error, TextReader.Null, name => name == "CMESH_RUN_DIR" ? _directory.FullName : null, colours: false);
        int code = await CommandLine.RunAsync(arguments, screen);
        return (code, output.ToString(), error.ToString());
    }
}
