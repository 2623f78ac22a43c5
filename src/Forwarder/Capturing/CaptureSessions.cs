using System.Globalization;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Server;
using ClusterMesh.Datapath.Io;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Forwarder.Capturing;

/// <summary>The captures that are under way, and the taps of the workers for them.</summary>
internal sealed class CaptureSessions(NodeRuntime node, string directory)
{
    /// <summary>Each costs memory (8 MB a worker, and up to 16 MB for the frames of a burst) and copies.</summary>
    private const int MostSessions = 4;

    private const int MostSnapLength = PacketContext.BufferLength - PacketContext.Headroom;

    private readonly Lock _gate = new();
    private readonly List<CaptureSession> _sessions = []; // guarded by the gate
    private readonly List<CaptureSession> _open = []; // guarded by the gate: those whose reader is there
    private int _number;

    /// <exception cref="ControlException">The request is wrong, or there are too many captures.</exception>
    public CaptureResult Begin(CaptureRequest request)
    {
        CaptureFilter filter = FilterOf(request);
        CapturePoints points = (request.Point ?? "both") switch
        {
            "received" => CapturePoints.Received,
            "left" => CapturePoints.Left,
            "both" => CapturePoints.Both,
            _ => throw Bad($"point: '{request.Point}' is none; use received, left or both"),
        };
        int snapLength = request.SnapLength ?? MostSnapLength;
        if (snapLength is < 14 or > MostSnapLength)
        {
            throw Bad(string.Create(CultureInfo.InvariantCulture, $"snapLength: {snapLength} is not within 14 and {MostSnapLength}"));
        }

        if (request.Count is < 1)
        {
            throw Bad(string.Create(CultureInfo.InvariantCulture, $"count: {request.Count} is no number of frames; use 1 or more"));
        }

        lock (_gate)
        {
            if (_sessions.Count >= MostSessions)
            {
                throw new ControlException(ErrorCode.TooManyRequests, $"{MostSessions} captures are under way already; end one of them");
            }

            string path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"capture-{++_number}.sock"));
            Socket listener = Listen(path);
            CaptureTap[] taps = [.. node.Workers.Workers.Select((_, i) => new CaptureTap(filter, points, snapLength, i))];
            var session = new CaptureSession(node, listener, path, taps, request.Count ?? long.MaxValue, snapLength);
            _sessions.Add(session);
            session.Start(() => Change(() => _open.Add(session)), () => Change(() =>
            {
                _sessions.Remove(session);
                _open.Remove(session);
            }));
            return new CaptureResult(path);
        }
    }

    private static Socket Listen(string path)
    {
        try
        {
            return SocketFile.Listen(path);
        }
        catch (ControlConnectionException e)
        {
            throw new ControlException(ErrorCode.DeviceFailed, e.Message);
        }
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
            for (int i = 0; i < node.Workers.Workers.Count; i++)
            {
                int worker = i;
                try
                {
                    node.Workers.Workers[i].SetCaptures([.. _open.Select(s => s.Taps[worker])]);
                }
                catch (ObjectDisposedException)
                {
                    // This one has stopped; nothing passes there any more.
                }
            }
        }
    }

    private CaptureFilter FilterOf(CaptureRequest request)
    {
        IpAddress[][] pods = node.Read(writer => (request.Pods ?? []).Select(name => writer.Desired.Endpoints.TryGetValue(name, out EndpointSpec? pod)
            ? pod.Addresses.ToArray()
            : throw new ControlException(ErrorCode.NotFound, $"pods: there is no pod '{name}' on {node.Local.Name}; cmesh endpoint list shows those that are")).ToArray());
        return new CaptureFilter
        {
            Hosts = [.. (request.Hosts ?? []).Select(h => IpAddress.TryParse(h, out IpAddress address) ? (IpAddress[])[address] : throw Bad($"hosts: '{h}' is no address")), .. pods],
            Ports = [.. (request.Ports ?? []).Select(p => p is >= 0 and <= ushort.MaxValue ? (ushort)p : throw Bad(string.Create(CultureInfo.InvariantCulture, $"ports: {p} is no port")))],
            Protocol = request.Protocol?.ToUpperInvariant() switch
            {
                null => null,
                "TCP" => IpProtocol.Tcp,
                "UDP" => IpProtocol.Udp,
                "SCTP" => IpProtocol.Sctp,
                "ICMP" => IpProtocol.Icmp,
                "ICMPV6" => IpProtocol.Icmpv6,
                _ => throw Bad($"protocol: '{request.Protocol}' is none; use tcp, udp, sctp, icmp or icmpv6"),
            },
            Verdict = request.Verdict switch
            {
                null => null,
                "forwarded" => Verdict.Transmit,
                "dropped" => Verdict.Drop,
                "held" => Verdict.Held,
                _ => throw Bad($"verdict: '{request.Verdict}' is none; use forwarded, dropped or held"),
            },
            Reason = request.Reason is not { } number ? null
                : number is > 0 and <= byte.MaxValue && Enum.IsDefined((DropReason)number) ? (DropReason)number
                : throw Bad(string.Create(CultureInfo.InvariantCulture, $"reason: {number} is no drop reason; docs/drop-reasons.md lists them")),
        };
    }

    private static ControlException Bad(string message) => new(ErrorCode.InvalidParams, message);
}
