using PacketDotNet;
using SharpPcap;
using SharpPcap.LibPcap;

namespace ClusterMesh.Datapath.Replay;

/// <summary>
/// Reads pcap and pcapng, whatever their precision, by libpcap. A file is taken whole or not at all: a packet that is not whole
/// would change what becomes of those behind it.
/// </summary>
internal static class CaptureFile
{
    private const decimal NanosecondsPerSecond = 1_000_000_000m;

    /// <exception cref="ReplayException">The file is not there, is no capture, is not of Ethernet, or is cut.</exception>
    public static List<ReplayFrame> Read(string path, string port)
    {
        if (!File.Exists(path))
        {
            throw new ReplayException(Directory.Exists(path) ? $"{path}: this is a directory; name the file in it" : $"{path}: there is no such file; check the path");
        }

        try
        {
            // libpcap says no more than that it failed; the system says why.
            using (File.OpenRead(path))
            {
            }

            using var device = new CaptureFileReaderDevice(path);
            device.Open(new DeviceConfiguration { TimestampResolution = TimestampResolution.Nanosecond });
            if (device.LinkType != LinkLayers.Ethernet)
            {
                throw new ReplayException($"{path}: the link type is {device.LinkType}, not Ethernet; capture on one interface (tcpdump -i eth0), not on \"any\"");
            }

            return ReadFrames(device, path, port);
        }
        catch (Exception e) when (IsLibraryMissing(e))
        {
            throw new ReplayException("reading captures needs libpcap (1.5.1 or later), which is not on this machine; install the package libpcap0.8", e);
        }
        catch (PcapException e)
        {
            throw new ReplayException($"{path}: this is no capture in the format pcap or pcapng ({Reason(e.Message)})", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ReplayException($"{path}: the file may not be read; check its permissions", e);
        }
        catch (IOException e)
        {
            throw new ReplayException($"{path}: the file cannot be read: {e.Message.TrimEnd('.')}", e);
        }
    }

    private static List<ReplayFrame> ReadFrames(CaptureFileReaderDevice device, string path, string port)
    {
        var frames = new List<ReplayFrame>();
        while (true)
        {
            GetPacketStatus status = device.GetNextPacket(out PacketCapture packet);
            if (status == GetPacketStatus.NoRemainingPackets)
            {
                return frames;
            }

            int number = frames.Count + 1;
            if (status != GetPacketStatus.PacketRead)
            {
                throw new ReplayException($"{path}: packet {number} cannot be read: {device.LastError}");
            }

            var header = (PcapHeader)packet.Header;
            if (header.CaptureLength < header.PacketLength)
            {
                throw new ReplayException(
                    $"{path}: packet {number} was cut to {header.CaptureLength} of its {header.PacketLength} bytes when it was captured; capture whole packets (tcpdump -s 0)");
            }

            if (packet.Data.Length > ReplayRun.MaxFrameLength)
            {
                throw new ReplayException($"{path}: packet {number} has {packet.Data.Length} bytes; no frame is longer than {ReplayRun.MaxFrameLength}");
            }

            decimal time = header.Timeval.Value * NanosecondsPerSecond;
            if (time > long.MaxValue)
            {
                throw new ReplayException($"{path}: packet {number} is from after the year 2262; check the capture's clock");
            }

            frames.Add(new ReplayFrame(port, (long)time, packet.Data.ToArray(), number));
        }
    }

    /// <summary>SharpPcap takes a library that is not there for one that is too old.</summary>
    private static bool IsLibraryMissing(Exception e) =>
        e is DllNotFoundException or PlatformNotSupportedException or TypeInitializationException { InnerException: DllNotFoundException };

    /// <summary>What libpcap said, without what SharpPcap puts before it.</summary>
    private static string Reason(string message)
    {
        int start = message.IndexOf(": ", StringComparison.Ordinal);
        string reason = start < 0 ? message : message[(start + 2)..];
        int end = reason.IndexOf(" (Error Code", StringComparison.Ordinal);
        return end < 0 ? reason : reason[..end];
    }
}
