using System.Net.Sockets;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>Who is at the other end of a Unix socket, as the kernel noted it at connect (unix(7), SO_PEERCRED; SO_PEERGROUPS since Linux 4.13).</summary>
/// <param name="ProcessId">Of the process that connected, seen from our own namespace; 0 for one outside of it.</param>
/// <param name="Groups">Supplementary groups.</param>
public sealed record PeerCredentials(int ProcessId, uint UserId, uint GroupId, IReadOnlyList<uint> Groups)
{
    private const int SocketLevel = 1; // asm-generic/socket.h: SOL_SOCKET, SO_PEERCRED, SO_PEERGROUPS
    private const int CredentialsOption = 17;
    private const int GroupsOption = 59;
    private const int MostGroups = 65_536; // linux/limits.h: NGROUPS_MAX
    private const int UsualGroups = 64;

    /// <exception cref="SocketException">The other side has gone already.</exception>
    public static PeerCredentials Of(Socket socket)
    {
        byte[] credentials = new byte[3 * sizeof(int)]; // struct ucred: pid, uid, gid
        socket.GetRawSocketOption(SocketLevel, CredentialsOption, credentials);
        return new PeerCredentials(
            BitConverter.ToInt32(credentials, 0), BitConverter.ToUInt32(credentials, sizeof(int)), BitConverter.ToUInt32(credentials, 2 * sizeof(int)), GroupsOf(socket));
    }

    public bool IsIn(uint group) => GroupId == group || Groups.Contains(group);

    public override string ToString() => $"process {ProcessId} of user {UserId}";

    private static uint[] GroupsOf(Socket socket)
    {
        foreach (int count in (int[])[UsualGroups, MostGroups])
        {
            byte[] groups = new byte[count * sizeof(uint)];
            try
            {
                int length = socket.GetRawSocketOption(SocketLevel, GroupsOption, groups);
                return [.. Enumerable.Range(0, length / sizeof(uint)).Select(i => BitConverter.ToUInt32(groups, i * sizeof(uint)))];
            }
            catch (SocketException) when (count == UsualGroups)
            {
                // ERANGE: it is in more groups than fit.
            }
        }

        return [];
    }
}
