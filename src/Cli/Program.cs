using ClusterMesh.Datapath.Cli;

return await CommandLine.RunAsync(args, Screen.OfProcess());
