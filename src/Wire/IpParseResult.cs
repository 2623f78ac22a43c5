namespace ClusterMesh.Datapath.Wire;

/// <summary>How reading an IP header ended.</summary>
public enum IpParseResult
{
    Valid,

    /// <summary>Version or a length contradicts the bytes that are there.</summary>
    Malformed,

    /// <summary>IPv6 extension headers cut, out of order or too many.</summary>
    BadExtensionHeader,
}
