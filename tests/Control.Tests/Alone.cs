namespace ClusterMesh.Datapath.Control.Tests;

/// <summary>Tests that measure.</summary>
[CollectionDefinition("alone", DisableParallelization = true)]
public static class Alone;
