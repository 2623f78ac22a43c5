namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>Orders text as people do: runs of digits by their value, so that 10.0.2.0 comes before 10.0.10.0.</summary>
internal sealed class NaturalOrder : IComparer<string>
{
    public static NaturalOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        ReadOnlySpan<char> left = x;
        ReadOnlySpan<char> right = y;
        while (!left.IsEmpty && !right.IsEmpty)
        {
            int leftDigits = Digits(left);
            int rightDigits = Digits(right);
            int order;
            if (leftDigits > 0 && rightDigits > 0)
            {
                ReadOnlySpan<char> leftNumber = left[..leftDigits].TrimStart('0');
                ReadOnlySpan<char> rightNumber = right[..rightDigits].TrimStart('0');
                order = leftNumber.Length != rightNumber.Length
                    ? leftNumber.Length - rightNumber.Length
                    : leftNumber.SequenceCompareTo(rightNumber);
            }
            else
            {
                leftDigits = rightDigits = 1;
                order = left[0] - right[0];
            }

            if (order != 0)
            {
                return order;
            }

            left = left[leftDigits..];
            right = right[rightDigits..];
        }

        return left.Length != right.Length ? left.Length - right.Length : string.CompareOrdinal(x, y);
    }

    private static int Digits(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }
}
