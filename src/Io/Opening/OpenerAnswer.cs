namespace ClusterMesh.Datapath.Io;

/// <summary>What the process that opens ports answers. The files come behind it.</summary>
/// <param name="Refusal">A sentence when it could not; null when it did.</param>
/// <param name="LinkIndex">0 for an interface that is not there.</param>
/// <param name="IsDone">Of <see cref="OpenerWord.DeleteRoute"/>: there was one.</param>
internal sealed record OpenerAnswer(string? Refusal, ulong Inode = 0, int LinkIndex = 0, string LinkMac = "", int FileCount = 0, bool IsDone = false);
