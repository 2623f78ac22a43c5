namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What the datapath tells the sender of a packet that goes no further.</summary>
public enum IcmpAnswerKind : byte
{
    /// <summary>The service has no backend: port unreachable (RFC 792 type 3 code 3, RFC 4443 type 1 code 4).</summary>
    NoBackend,

    /// <summary>Fragmentation needed (RFC 792 type 3 code 4, RFC 1191) or packet too big (RFC 4443 type 2).</summary>
    TooBig,

    /// <summary>Time exceeded in transit (RFC 792 type 11 code 0, RFC 4443 type 3 code 0).</summary>
    TimeExceeded,

    /// <summary>The sender's policy forbids it: administratively prohibited (RFC 1812 section 5.2.7.1 type 3 code 13, RFC 4443 type 1 code 1).</summary>
    Prohibited,
}
