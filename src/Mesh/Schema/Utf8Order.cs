using System.Text;

namespace ClusterMesh.Datapath.Mesh.Schema;

/// <summary>The order of the texts' UTF-8 bytes, in which Go sorts and etcd lists. UTF-16 has another one beyond the first 65,536 characters.</summary>
internal sealed class Utf8Order : IComparer<string>
{
    public static Utf8Order Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        ReadOnlySpan<char> left = x;
        ReadOnlySpan<char> right = y;
        int same = left.CommonPrefixLength(right);
        if (same == left.Length || same == right.Length)
        {
            return left.Length.CompareTo(right.Length);
        }

        // A surrogate stands for more than any other unit; everything else is in the same order in both encodings.
        return Weight(left[same]).CompareTo(Weight(right[same]));
    }

    private static int Weight(char c) => char.IsSurrogate(c) ? c + Rune.ReplacementChar.Value : c;
}
