namespace ClusterMesh.Datapath.Control;

/// <summary>What a client of a control socket may do, and what a request needs.</summary>
public enum ControlRole
{
    /// <summary>May ask, and change nothing; packets' contents and keys are not for it.</summary>
    Reader,

    /// <summary>May ask for everything.</summary>
    Admin,
}
