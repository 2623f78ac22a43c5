using System.Buffers.Binary;
using System.Net.Sockets;
using ClusterMesh.Datapath.Io.Native;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Io;

/// <summary>
/// A listener's end: connects to a forwarder's <see cref="FlowEventServer"/> and reads the rings of all its workers. One thread at a time. Nothing
/// wakes a reader: it looks again, soon while records come and rarely while none do.
/// </summary>
public sealed class FlowEventReader : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    private readonly Socket _socket;
    private readonly FlowDetail _detail;
    private readonly FlowRingReader[] _rings;
    private int _turn;

    private FlowEventReader(Socket socket, FlowDetail detail, FlowRingReader[] rings)
    {
        _socket = socket;
        _detail = detail;
        _rings = rings;
    }

    /// <summary>Workers of the forwarder.</summary>
    public int WorkerCount => _rings.Length;

    /// <summary>Records that came since we listen and that we will never see: we were too slow, or the worker had no room.</summary>
    public ulong LostCount => _rings.Aggregate(0ul, (sum, ring) => sum + ring.LostCount);

    /// <summary>False when the forwarder has ended, or ended the listening.</summary>
    public bool IsConnected
    {
        get
        {
            try
            {
                return !(_socket.Poll(0, SelectMode.SelectRead) && _socket.Available == 0);
            }
            catch (SocketException)
            {
                return false;
            }
        }
    }

    /// <param name="path">The socket for flow events.</param>
    /// <param name="detail">What to be told of.</param>
    /// <exception cref="DeviceException">Nobody is there, or it is another build.</exception>
    public static FlowEventReader Connect(string path, FlowDetail detail)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        List<FlowRingReader> rings = [];
        try
        {
            socket.ReceiveTimeout = (int)s_limit.TotalMilliseconds;
            socket.SendTimeout = (int)s_limit.TotalMilliseconds;
            socket.Connect(new UnixDomainSocketEndPoint(path));
            byte[] question = new byte[FlowEventServer.QuestionLength];
            BinaryPrimitives.WriteUInt64LittleEndian(question, FlowEventServer.Magic);
            BinaryPrimitives.WriteUInt32LittleEndian(question.AsSpan(8), FlowRecord.CurrentVersion);
            BinaryPrimitives.WriteUInt32LittleEndian(question.AsSpan(12), (uint)detail);
            socket.Send(question);
            int count;
            do
            {
                count = Take(socket, path, rings);
            }
            while (rings.Count < count);
            return new FlowEventReader(socket, detail, [.. rings]);
        }
        catch (Exception e)
        {
            rings.ForEach(r => r.Dispose());
            socket.Dispose();
            if (e is SocketException or ArgumentException)
            {
                throw new DeviceException($"{path}: no forwarder gives flow events there ({e.Message}); start the node's forwarder or give another socket");
            }

            throw;
        }
    }

    /// <summary>Copies records that we asked for, of one worker after the other, each worker's in their order; 0 when there are none.</summary>
    public int Read(Span<FlowRecord> destination)
    {
        for (int i = 0; i < _rings.Length; i++)
        {
            _turn = _turn + 1 >= _rings.Length ? 0 : _turn + 1;
            int count = _rings[_turn].Read(destination);
            int kept = 0;
            for (int n = 0; n < count; n++)
            {
                if (destination[n].Detail <= _detail)
                {
                    destination[kept++] = destination[n];
                }
            }

            if (kept > 0)
            {
                return kept;
            }
        }

        return 0;
    }

    public void Dispose()
    {
        _socket.Dispose();
        Array.ForEach(_rings, r => r.Dispose());
    }

    private static int Take(Socket socket, string path, List<FlowRingReader> rings)
    {
        byte[] answer = new byte[FlowEventServer.AnswerLength];
        int length = DescriptorSocket.Receive(socket, answer, out FileDescriptor[] files);
        try
        {
            int count = BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(12));
            if (length != answer.Length || BinaryPrimitives.ReadUInt64LittleEndian(answer) != FlowEventServer.Magic)
            {
                throw new DeviceException($"{path}: what answers there gives no flow events; give the events socket of a forwarder");
            }

            if (count == 0 || files.Length == 0)
            {
                throw new DeviceException($"{path}: the forwarder takes no more listeners ({FlowEventServer.MaxListenerCount} at most); end another one");
            }

            rings.AddRange(files.Select(f => new FlowRingReader(f)));
            return count;
        }
        finally
        {
            Array.ForEach(files, f => f.Dispose());
        }
    }
}
