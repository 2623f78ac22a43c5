using System.Buffers.Binary;
using System.CommandLine;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>cmesh capture: what passes a node, as pcapng with verdicts. The forwarder makes the stream; here it goes into a file or a pipe, block by block.</summary>
internal static class CaptureCommand
{
    private const int BlockHeaderLength = 8;
    private const uint EnhancedPacket = 6;
    private const uint InterfaceStatistics = 5;
    private const int LongestBlock = 1 << 20;

    /// <summary>How long the forwarder has for the end of the stream.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public static Command Build(Screen screen, NodeChoice choice)
    {
        Command command = new("capture", "Write what passes a node into a pcapng file, with verdict, drop reason and names as comments.");
        Option<string> file = new("--write", "-w") { Description = "The file to write; - is standard output.", HelpName = "FILE", Required = true };
        Option<string[]> hosts = new("--host") { Description = "An address at either end, before or behind the translations. Repeat it for both ends.", HelpName = "ADDRESS" };
        Option<string[]> pods = new("--pod") { Description = "A pod of the node at either end.", HelpName = "NAME" };
        Option<int[]> ports = new("--port") { Description = "A port at either end.", HelpName = "PORT" };
        Option<string> protocol = new("--protocol") { Description = "tcp, udp, sctp, icmp or icmpv6.", HelpName = "NAME" };
        Option<string> verdict = new("--verdict") { Description = "forwarded, dropped or held.", HelpName = "VERDICT" };
        Option<int?> reason = new("--reason") { Description = "Number of a drop reason.", HelpName = "NUMBER" };
        Option<string> point = new("--point") { Description = "received (before any translation), left (behind all) or both.", HelpName = "POINT" };
        Option<long?> count = new("--count", "-c") { Description = "End after so many frames.", HelpName = "N" };
        Option<int?> snap = new("--snaplen", "-s") { Description = "Bytes of a frame that are kept; all when left out.", HelpName = "BYTES" };
        foreach (Option option in (Option[])[file, hosts, pods, ports, protocol, verdict, reason, point, count, snap])
        {
            command.Add(option);
        }

        command.SetAction(async (parsed, cancellation) =>
        {
            var request = new CaptureRequest
            {
                Hosts = parsed.GetValue(hosts),
                Pods = parsed.GetValue(pods),
                Ports = parsed.GetValue(ports),
                Protocol = parsed.GetValue(protocol),
                Verdict = parsed.GetValue(verdict),
                Reason = parsed.GetValue(reason),
                Point = parsed.GetValue(point),
                Count = parsed.GetValue(count),
                SnapLength = parsed.GetValue(snap),
            };
            CaptureResult started;
            await using (ControlClient client = await choice.ConnectAsync(parsed, cancellation))
            {
                started = await client.CaptureAsync(request, cancellation);
            }

            await using Stream output = Open(parsed.GetRequiredValue(file));
            (long packets, ulong lost) = await CopyAsync(started.Path, output, cancellation);
            screen.Error.WriteLine($"{packets} frames captured, {lost} lost because they were not taken in time");
        });
        return command;
    }

    private static Stream Open(string file)
    {
        try
        {
            return file == "-" ? Console.OpenStandardOutput() : new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new ControlException(ErrorCode.InvalidParams, $"{file}: cannot be written ({fault.Message.TrimEnd('.')})");
        }
    }

    /// <summary>Copies whole blocks until the stream ends. When the person ends it, asks for the statistics first.</summary>
    private static async Task<(long Packets, ulong Lost)> CopyAsync(string path, Stream output, CancellationToken cancellation)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
        }
        catch (SocketException fault)
        {
            throw new ControlConnectionException($"{path}: the capture cannot be had ({fault.Message}); is the forwarder still there?", fault);
        }

        using var over = new CancellationTokenSource();
        using CancellationTokenRegistration stop = cancellation.Register(() =>
        {
            over.CancelAfter(s_patience);
            try
            {
                socket.Shutdown(SocketShutdown.Send);
            }
            catch (SocketException)
            {
                // It has ended by itself.
            }
        });
        await using NetworkStream stream = new(socket);
        byte[] block = new byte[LongestBlock];
        long packets = 0;
        ulong lost = 0;
        while (await stream.ReadAtLeastAsync(block.AsMemory(0, BlockHeaderLength), BlockHeaderLength, throwOnEndOfStream: false, over.Token) == BlockHeaderLength)
        {
            uint type = BinaryPrimitives.ReadUInt32LittleEndian(block);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(4));
            if (length is < BlockHeaderLength + 4 or > LongestBlock)
            {
                throw new ControlConnectionException($"{path}: what comes is no pcapng (a block of {length} bytes); are cmesh and the forwarder of one version?");
            }

            Memory<byte> rest = block.AsMemory(BlockHeaderLength, (int)length - BlockHeaderLength);
            if (await stream.ReadAtLeastAsync(rest, rest.Length, throwOnEndOfStream: false, over.Token) < rest.Length)
            {
                break; // The forwarder has ended in the middle of a block, which nobody could read.
            }

            packets += type == EnhancedPacket ? 1 : 0;
            lost += type == InterfaceStatistics ? LostOf(block.AsSpan(0, (int)length)) : 0;
            await output.WriteAsync(block.AsMemory(0, (int)length), CancellationToken.None);
            if (socket.Available == 0)
            {
                await output.FlushAsync(CancellationToken.None); // Who reads a pipe wants to see it now.
            }
        }

        await output.FlushAsync(CancellationToken.None);
        return (packets, lost);
    }

    /// <summary>isb_ifdrop of an interface statistics block.</summary>
    private static ulong LostOf(ReadOnlySpan<byte> block)
    {
        for (int at = 20; at + 4 <= block.Length - 4;)
        {
            ushort code = BinaryPrimitives.ReadUInt16LittleEndian(block[at..]);
            int length = BinaryPrimitives.ReadUInt16LittleEndian(block[(at + 2)..]);
            if (code == 5 && length == sizeof(ulong))
            {
                return BinaryPrimitives.ReadUInt64LittleEndian(block[(at + 4)..]);
            }

            at += 4 + ((length + 3) & ~3);
        }

        return 0;
    }
}
