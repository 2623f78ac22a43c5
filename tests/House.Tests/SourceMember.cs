namespace ClusterMesh.Datapath.House.Tests;

/// <summary>A method or constructor of a file, with the lines it takes, counted from 1.</summary>
internal sealed record SourceMember(string Name, int FirstLine, int LastLine, bool IsConstructor)
{
    public int LineCount => LastLine - FirstLine + 1;

    public bool Contains(int line) => line >= FirstLine && line <= LastLine;
}
