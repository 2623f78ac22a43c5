using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>
/// How labels and their number lie in the cluster store: one key leads from the labels to the number, the other one back. A binding that
/// no pod has used for long is marked and hangs on a lease: whoever needs the labels again takes it back with its number, and with the
/// lease both keys go at once.
/// </summary>
/// <param name="IsUnused">It goes with its lease unless it is taken back.</param>
internal readonly record struct IdentityBinding(uint Number, bool IsUnused)
{
    public const string ByLabels = "cmesh/identities/v1/labels/";
    public const string ByNumber = "cmesh/identities/v1/id/";
    private const string UnusedMark = " unused";

    /// <summary>Labels may be longer than a key should be, and hold any character.</summary>
    public static string LabelsKey(string labels) => ByLabels + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(labels)));

    public static string NumberKey(uint number) => ByNumber + number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Null when the value is none.</summary>
    public static IdentityBinding? Parse(ReadOnlySpan<byte> value)
    {
        string text = Encoding.UTF8.GetString(value);
        bool unused = text.EndsWith(UnusedMark, StringComparison.Ordinal);
        return uint.TryParse(unused ? text.AsSpan(0, text.Length - UnusedMark.Length) : text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            ? new IdentityBinding(number, unused)
            : null;
    }

    public byte[] Write() => Encoding.ASCII.GetBytes(Number.ToString(CultureInfo.InvariantCulture) + (IsUnused ? UnusedMark : ""));
}
