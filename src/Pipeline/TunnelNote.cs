namespace ClusterMesh.Datapath.Pipeline;

/// <summary>What the outer headers of a frame said, once they are gone.</summary>
/// <param name="Sender">Number of the node that sent it through its tunnel, in the <see cref="TunnelTable"/>; 0 for a frame that came in none.</param>
/// <param name="Identity">Of the sender behind that node: the VNI.</param>
public readonly record struct TunnelNote(int Sender, uint Identity)
{
    public bool IsSet => Sender != 0;
}
