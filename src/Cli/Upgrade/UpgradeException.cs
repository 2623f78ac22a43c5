namespace ClusterMesh.Datapath.Cli.Upgrade;

/// <summary>Why an upgrade cannot be, or what became of it; one sentence for a person.</summary>
internal sealed class UpgradeException(string message) : Exception(message);
