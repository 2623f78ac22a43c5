using System.Globalization;
using System.Net.Sockets;
using ClusterMesh.Datapath.Control.Server;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// Who may use a control socket, by what the kernel says of the process that connected: root and the user that the server runs as are admins,
/// and so are members of one group, if there is one; members of another may read. Everybody else is refused.
/// </summary>
/// <param name="OwnerId">The user that the server runs as.</param>
/// <param name="AdminGroup">Number of a group; null for none.</param>
/// <param name="ReaderGroup">Number of a group; null for none.</param>
public sealed record ControlAccess(uint OwnerId, uint? AdminGroup = null, uint? ReaderGroup = null)
{
    private const string OwnStatus = "/proc/self/status";
    private const string GroupFile = "/etc/group";

    /// <summary>Root and the user that this process runs as.</summary>
    public static ControlAccess OwnerOnly => new(EffectiveUser());

    /// <summary>Members of groups must reach the socket, so that its mode lets everybody connect; who it is is asked then.</summary>
    public UnixFileMode SocketMode => UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite
        | (AdminGroup is null && ReaderGroup is null ? UnixFileMode.None : UnixFileMode.OtherRead | UnixFileMode.OtherWrite);

    /// <summary>The groups as a person names them, by name or by number.</summary>
    /// <exception cref="FormatException">There is no such group; the message is a sentence.</exception>
    public static ControlAccess Of(string? adminGroup, string? readerGroup) => new(EffectiveUser(), GroupNumber(adminGroup), GroupNumber(readerGroup));

    /// <summary>Null for a process that may not even ask.</summary>
    public ControlRole? RoleOf(PeerCredentials peer)
    {
        if (peer.UserId == 0 || peer.UserId == OwnerId || (AdminGroup is { } admins && peer.IsIn(admins)))
        {
            return ControlRole.Admin;
        }

        return ReaderGroup is { } readers && peer.IsIn(readers) ? ControlRole.Reader : null;
    }

    /// <summary>Whether the process at the other end may not even read; true also when it has gone.</summary>
    public bool Refuses(Socket socket)
    {
        try
        {
            return RoleOf(PeerCredentials.Of(socket)) is null;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    /// <summary>From group(5) alone: a directory service's groups are given by number.</summary>
    private static uint? GroupNumber(string? group)
    {
        if (group is null)
        {
            return null;
        }

        if (uint.TryParse(group, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
        {
            return number;
        }

        string[]? fields = File.Exists(GroupFile) ? File.ReadLines(GroupFile).Select(line => line.Split(':')).FirstOrDefault(f => f.Length > 2 && f[0] == group) : null;
        return fields is not null && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out number)
            ? number
            : throw new FormatException($"there is no group '{group}' in {GroupFile}; make it (groupadd {group}) or give its number");
    }

    /// <summary>proc(5): the second number behind "Uid:".</summary>
    private static uint EffectiveUser() =>
        uint.Parse(File.ReadLines(OwnStatus).First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2], CultureInfo.InvariantCulture);
}
