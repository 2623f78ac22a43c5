namespace ClusterMesh.Datapath.Wire;

/// <summary>Explicit congestion notification through a tunnel (RFC 6040): the two low bits of type of service and traffic class.</summary>
public static class Ecn
{
    /// <summary>The bits of a traffic class that are ECN's (RFC 3168 section 5).</summary>
    public const byte Mask = 0x03;

    /// <summary>Not-ECT: the transport does not take part.</summary>
    public const byte NotCapable = 0;

    /// <summary>ECT(1).</summary>
    public const byte Capable1 = 1;

    /// <summary>ECT(0).</summary>
    public const byte Capable0 = 2;

    /// <summary>CE: a router on the way was congested.</summary>
    public const byte Experienced = 3;

    /// <summary>
    /// What the inner packet says behind the tunnel (RFC 6040 section 4.2, figure 4). False where the packet must be dropped: it met congestion, and its
    /// transport would not learn of it.
    /// </summary>
    /// <param name="inner">Traffic class of the inner header.</param>
    /// <param name="outer">Traffic class of the outer header.</param>
    /// <param name="combined">Traffic class for the inner header.</param>
    public static bool TryCombine(byte inner, byte outer, out byte combined)
    {
        int innerMark = inner & Mask;
        int outerMark = outer & Mask;
        combined = inner;
        if (innerMark == NotCapable)
        {
            return outerMark != Experienced;
        }

        if (outerMark == Experienced || (innerMark == Capable0 && outerMark == Capable1))
        {
            combined = (byte)((inner & ~Mask) | outerMark);
        }

        return true;
    }
}
