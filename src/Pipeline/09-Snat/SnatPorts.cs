using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Which ports SNAT may give to a flow, and in which order it tries them. With several workers each gives away its own only.</summary>
/// <param name="homes">Null where there is one worker, which gives away every port.</param>
/// <param name="worker">Whose ports these are.</param>
/// <param name="seed">Keeps choices from being guessed.</param>
internal sealed class SnatPorts(FlowHomes? homes, int worker, ulong seed)
{
    public bool IsOwn(uint port) => homes is null || homes.OfPort((ushort)port) == worker;

    /// <summary>The next port of the range that this worker may give away, from a port on and round; another's where it has none in so short a range.</summary>
    public uint NextOwn(uint port, uint low, uint rangeLength)
    {
        port = port == low + rangeLength ? low : port;
        for (uint i = 0; i < rangeLength && !IsOwn(port); i++)
        {
            port = port == low + rangeLength - 1 ? low : port + 1;
        }

        return port;
    }

    /// <summary>
    /// The client's own port if it may be used, else one that follows from the client's end alone: the same to all destinations (RFC 4787
    /// section 4.1), and the same again when a mapping was lost.
    /// </summary>
    public uint FirstChoice(in FlowKey forward, bool isIcmp, uint low, uint rangeLength)
    {
        uint port = isIcmp ? (uint)(forward.SourcePort | forward.DestinationPort) : forward.SourcePort;
        return port >= low && port - low < rangeLength && IsOwn(port)
            ? port
            : NextOwn(low + (uint)(((forward with { Destination = default, DestinationPort = 0 }).Hash(seed) >> 32) * rangeLength >> 32), low, rangeLength);
    }
}
