using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>
/// Which worker is at home where: a pure function of a packet's addresses and ports, the same for all workers of a process, seeded so that
/// nobody outside can aim at one of them. Shared and immutable.
/// </summary>
/// <remarks>
/// Every port of the range that SNAT takes from is one worker's, and so is every id of an ICMP echo: a worker gives away only its own, so that the
/// answer's port names the worker that made the mapping. A client that has such a port for its own is at home there too, and keeps its port
/// when it is masqueraded.
/// </remarks>
public sealed class FlowHomes
{
    /// <summary>Most workers of one process.</summary>
    public const int MaxWorkerCount = 16;

    private readonly byte[] _workerOfPort = new byte[ushort.MaxValue + 1];
    private readonly IpPrefix[] _pods;
    private readonly ushort _firstSharedPort;
    private readonly ulong _seed;

    /// <param name="pods">Where the node's pods are.</param>
    /// <param name="firstSharedPort">First port of the range that SNAT takes from; see <see cref="MasqueradeRules.FirstPort"/>.</param>
    public FlowHomes(int workerCount, IReadOnlyList<IpPrefix> pods, ushort firstSharedPort, ulong seed)
    {
        _pods = [.. pods];
        ArgumentOutOfRangeException.ThrowIfNotEqual(workerCount is >= 1 and <= MaxWorkerCount, true);
        WorkerCount = workerCount;
        _firstSharedPort = firstSharedPort;
        var random = new FlowRandom(seed);
        _seed = random.Next();

        // Of so many ports in a row each worker has one, in an order that differs from row to row: shares are even, and the next own port is near.
        Span<byte> row = stackalloc byte[workerCount];
        for (int port = 0; port < _workerOfPort.Length; port++)
        {
            if (port % workerCount == 0)
            {
                Shuffle(row, random);
            }

            _workerOfPort[port] = row[port % workerCount];
        }
    }

    public int WorkerCount { get; }

    /// <summary>Whether the port is one that SNAT may give away.</summary>
    public bool IsShared(ushort port) => port >= _firstSharedPort;

    /// <summary>Who may give away a port, or an echo's id, and so gets its answers.</summary>
    public int OfPort(ushort port) => _workerOfPort[port];

    /// <summary>Who has the flows of a client.</summary>
    public int OfClient(IpAddress address, ushort port) => IsShared(port) ? _workerOfPort[port] : Share(HashOf(address, port));

    /// <summary>Who has the flows of a client to services with session affinity: all of them, so that one table knows its session.</summary>
    public int OfAddress(IpAddress address) => Share(HashOf(address, 0));

    /// <summary>
    /// Who has a flow of which it is unknown which end is the client: the home of one end, the same in both directions. Of the end that alone has a
    /// shared port, which is a client's mostly; else of the one that alone is a pod of the node, so that SNAT can give it the same port to all; else
    /// as the hashes have it.
    /// </summary>
    public int OfEither(in FlowKey key)
    {
        bool isSource = IsShared(key.SourcePort);
        if (isSource == IsShared(key.DestinationPort))
        {
            isSource = IsPod(key.Source);
            isSource = isSource == IsPod(key.Destination) ? HashOf(key.Source, key.SourcePort) < HashOf(key.Destination, key.DestinationPort) : isSource;
        }

        return isSource ? OfClient(key.Source, key.SourcePort) : OfClient(key.Destination, key.DestinationPort);
    }

    /// <summary>Who has an echo between two addresses, neither of them the node's.</summary>
    public int OfEcho(in FlowKey key)
    {
        (IpAddress low, IpAddress high) = key.Source > key.Destination ? (key.Destination, key.Source) : (key.Source, key.Destination);
        return Share(new FlowKey(low, high, (ushort)(key.SourcePort | key.DestinationPort), 0, key.Protocol).Hash(_seed));
    }

    /// <summary>Where the fragments of a datagram meet.</summary>
    /// <param name="key">Its ports do not count.</param>
    public int OfFragments(in FlowKey key, uint id) =>
        Share((key with { SourcePort = (ushort)(id >> 16), DestinationPort = (ushort)id }).Hash(_seed));

    private static void Shuffle(Span<byte> row, FlowRandom random)
    {
        for (int i = 0; i < row.Length; i++)
        {
            int other = (int)random.Below((uint)i + 1);
            row[i] = row[other];
            row[other] = (byte)i;
        }
    }

    private bool IsPod(IpAddress address)
    {
        bool isFound = false;
        foreach (IpPrefix prefix in _pods)
        {
            isFound |= prefix.Contains(address);
        }

        return isFound;
    }

    private ulong HashOf(IpAddress address, ushort port) => new FlowKey(address, default, port, 0, 0).Hash(_seed);

    private int Share(ulong hash) => (int)(((hash >> 32) * (ulong)WorkerCount) >> 32);
}
