namespace ClusterMesh.Datapath.Testing;

/// <summary>Errors that both families have, under different numbers.</summary>
public enum IcmpTrouble
{
    PortUnreachable,
    TimeExceeded,

    /// <summary>Fragmentation needed (RFC 792 type 3 code 4) or packet too big (RFC 4443 type 2).</summary>
    TooBig,

    /// <summary>Administratively prohibited (RFC 1812 type 3 code 13, RFC 4443 type 1 code 1).</summary>
    Prohibited,
}
