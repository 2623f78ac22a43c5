using System.Text;
using Authpb;
using ClusterMesh.Datapath.Mesh.Schema;
using Etcdserverpb;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>
/// Who may do what in a cluster's etcd, as Cilium's etcdinit sets it up: users are the common names of client certificates and have no
/// passwords. Other clusters read what is published of this one, and nothing else; nobody but the cluster's own agents writes.
/// </summary>
public sealed class EtcdUsers(EtcdStore store, string cluster)
{
    public const string Root = "root";
    public const string Remote = "remote";
    private const string Local = "local";

    /// <summary>Users with all rights, by which agents come.</summary>
    public string Admin => $"admin-{cluster}";

    /// <summary>Makes users and roles what they should be and switches authentication on. May be repeated; rights that a role should not have are taken from it.</summary>
    /// <param name="self">The user that this connection's certificate names.</param>
    /// <returns>A line for each thing that was changed.</returns>
    /// <exception cref="StoreException">Refused when the own user would be shut out; nothing is changed then.</exception>
    public async Task<IReadOnlyList<string>> EnsureAsync(string self, CancellationToken cancellation = default)
    {
        if (self != Root && self != Admin)
        {
            throw new StoreException(
                StoreFault.Refused, $"the client certificate is that of user '{self}'; users and roles of cluster {cluster} are set up by '{Root}' or '{Admin}', and '{self}' would be shut out");
        }

        List<string> lines = [];
        RepeatedField<string> roles = (await store.AskUsersAsync((c, o) => c.RoleListAsync(new AuthRoleListRequest(), o), r => r.Header, cancellation)).Roles;
        foreach ((string role, (string Key, string End)[] ranges) in Roles())
        {
            if (!roles.Contains(role))
            {
                await store.AskUsersAsync((c, o) => c.RoleAddAsync(new AuthRoleAddRequest { Name = role }, o), r => r.Header, cancellation);
                lines.Add($"role '{role}' made");
            }

            if (ranges.Length > 0)
            {
                await EnsureRangesAsync(role, ranges, lines, cancellation);
            }
        }

        RepeatedField<string> users = (await store.AskUsersAsync((c, o) => c.UserListAsync(new AuthUserListRequest(), o), r => r.Header, cancellation)).Users;
        foreach ((string user, string role) in ((string, string)[])[(Root, Root), (Admin, Root), ($"local-{cluster}", Local), (Remote, Remote)])
        {
            if (!users.Contains(user))
            {
                AuthUserAddRequest add = new() { Name = user, Options = new UserAddOptions { NoPassword = true } };
                await store.AskUsersAsync((c, o) => c.UserAddAsync(add, o), r => r.Header, cancellation);
                lines.Add($"user '{user}' made");
            }

            AuthUserGetResponse has = await store.AskUsersAsync((c, o) => c.UserGetAsync(new AuthUserGetRequest { Name = user }, o), r => r.Header, cancellation);
            if (!has.Roles.Contains(role))
            {
                await store.AskUsersAsync((c, o) => c.UserGrantRoleAsync(new AuthUserGrantRoleRequest { User = user, Role = role }, o), r => r.Header, cancellation);
                lines.Add($"user '{user}' has role '{role}'");
            }

            foreach (string wrong in has.Roles.Where(r => r != role))
            {
                await store.AskUsersAsync((c, o) => c.UserRevokeRoleAsync(new AuthUserRevokeRoleRequest { Name = user, Role = wrong }, o), r => r.Header, cancellation);
                lines.Add($"user '{user}' has role '{wrong}' no more");
            }
        }

        // Switched on already, this changes nothing.
        await store.AskUsersAsync((c, o) => c.AuthEnableAsync(new AuthEnableRequest(), o), r => r.Header, cancellation);
        return lines;
    }

    /// <summary>The role root has all rights by itself.</summary>
    private IEnumerable<(string Role, (string Key, string End)[] Ranges)> Roles() =>
    [
        (Root, []),
        (Local, [Below(MeshKeys.Heartbeat), Below("cilium/cache/"), Below(MeshKeys.ClusterConfig("")), Below("cilium/synced/")]),
        (Remote, [Below(MeshKeys.Heartbeat), Below("cilium/state/"), (MeshKeys.ClusterConfig(cluster), ""), Below(MeshKeys.Synced(cluster))]),
    ];

    private static (string Key, string End) Below(string prefix) => (prefix, prefix[..^1] + (char)(prefix[^1] + 1));

    private async Task EnsureRangesAsync(string role, (string Key, string End)[] ranges, List<string> lines, CancellationToken cancellation)
    {
        RepeatedField<Permission> has = (await store.AskUsersAsync((c, o) => c.RoleGetAsync(new AuthRoleGetRequest { Role = role }, o), r => r.Header, cancellation)).Perm;
        foreach (Permission wrong in has.Where(p => !ranges.Any(r => IsReadOf(p, r))))
        {
            AuthRoleRevokePermissionRequest revoke = new() { Role = role, Key = wrong.Key, RangeEnd = wrong.RangeEnd };
            await store.AskUsersAsync((c, o) => c.RoleRevokePermissionAsync(revoke, o), r => r.Header, cancellation);
            lines.Add($"role '{role}' may not {wrong.PermType.ToString().ToLowerInvariant()} {wrong.Key.ToStringUtf8()} any more");
        }

        foreach ((string key, string end) in ranges.Where(r => !has.Any(p => IsReadOf(p, r))))
        {
            AuthRoleGrantPermissionRequest grant = new()
            {
                Name = role,
                Perm = new Permission { PermType = Permission.Types.Type.Read, Key = ByteString.CopyFromUtf8(key), RangeEnd = ByteString.CopyFromUtf8(end) },
            };
            await store.AskUsersAsync((c, o) => c.RoleGrantPermissionAsync(grant, o), r => r.Header, cancellation);
            lines.Add($"role '{role}' may read {key}{(end.Length > 0 ? "*" : "")}");
        }
    }

    private static bool IsReadOf(Permission permission, (string Key, string End) range) =>
        permission.PermType == Permission.Types.Type.Read && permission.Key.ToStringUtf8() == range.Key && permission.RangeEnd.ToStringUtf8() == range.End;
}
