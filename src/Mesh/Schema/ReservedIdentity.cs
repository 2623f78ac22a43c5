namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>Identities that mean the same in every cluster.</summary>
public static class ReservedIdentity
{
    public const uint Unknown = 0;
    public const uint Host = 1;
    public const uint World = 2;
    public const uint Unmanaged = 3;
    public const uint Health = 4;
    public const uint Init = 5;
    public const uint RemoteNode = 6;
    public const uint KubeApiServer = 7;
    public const uint Ingress = 8;

    /// <summary>All reserved ones are below.</summary>
    public const uint End = 256;
}
