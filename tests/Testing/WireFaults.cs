namespace ClusterMesh.Datapath.Testing;

/// <summary>What befalls frames on a wire, of a thousand.</summary>
/// <param name="Reorder">Overtaken by up to four of the following frames.</param>
/// <param name="Corrupt">One bit is another.</param>
/// <param name="Delay">Overtaken by 20 to 60 of them.</param>
public readonly record struct WireFaults(uint Drop = 0, uint Duplicate = 0, uint Reorder = 0, uint Corrupt = 0, uint Delay = 0);
