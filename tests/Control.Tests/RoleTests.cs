using System.Diagnostics;
using System.Text.Json.Nodes;
using ClusterMesh.Datapath.Control.Server;
using ClusterMesh.Datapath.Testing;

namespace ClusterMesh.Datapath.Control.Tests;

public sealed class RoleTests
{
    private const uint Owner = 4_000_001;
    private const uint Admins = 4_000_002;
    private const uint Readers = 4_000_003;
    private const string List = """{"jsonrpc":"2.0","id":1,"method":"list","params":{"kind":"masquerade"}}""";
    private const string Change = """{"jsonrpc":"2.0","id":1,"method":"change","params":{"mode":"merge","config":{}}}""";

    [Theory]
    [InlineData(0, 7, 7, ControlRole.Admin)]
    [InlineData(Owner, 7, 7, ControlRole.Admin)]
    [InlineData(5, Admins, 7, ControlRole.Admin)]
    [InlineData(5, 7, Admins, ControlRole.Admin)]
    [InlineData(5, Readers, 7, ControlRole.Reader)]
    [InlineData(5, 7, Readers, ControlRole.Reader)]
    [InlineData(5, Readers, Admins, ControlRole.Admin)]
    [InlineData(5, 0, 0, null)]
    [InlineData(65_534, 7, 7, null)]
    public void A_process_has_the_role_of_its_user_or_group(uint user, uint group, uint other, ControlRole? role) =>
        Assert.Equal(role, new ControlAccess(Owner, Admins, Readers).RoleOf(new PeerCredentials(1, user, group, [8, other])));

    [Fact]
    public void Without_groups_only_root_and_the_owner_have_one()
    {
        ControlAccess access = new(Owner);
        Assert.Equal(ControlRole.Admin, access.RoleOf(new PeerCredentials(1, Owner, 7, [])));
        Assert.Null(access.RoleOf(new PeerCredentials(1, 5, 0, [0])));
        Assert.Equal(UnixFileMode.None, access.SocketMode & (UnixFileMode.OtherRead | UnixFileMode.OtherWrite));
    }

    [Fact]
    public void A_group_is_named_or_numbered_and_one_that_is_not_there_is_said()
    {
        Assert.Equal(0u, ControlAccess.Of("root", "77").AdminGroup);
        Assert.Equal(77u, ControlAccess.Of("root", "77").ReaderGroup);
        Assert.Equal(
            "there is no group 'no-such-group' in /etc/group; make it (groupadd no-such-group) or give its number",
            Assert.Throws<FormatException>(() => ControlAccess.Of(null, "no-such-group")).Message);
    }

    [Theory]
    [InlineData(5, 6, "", "", "is not for process")]
    [InlineData(5, 6, Change, "", "is not for process")]
    [InlineData(5, (int)Readers, List, "result", "")]
    [InlineData(5, (int)Readers, Change, "", "change is for administrators of this socket; process")]
    [InlineData(5, (int)Admins, Change, "result", "")]
    [InlineData(0, 6, Change, "result", "")]
    public async Task The_kernel_says_who_asks(int user, int group, string line, string has, string refusal)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "becomes other users");
        await using TestServer server = new TestServer(access: new ControlAccess(Owner, Admins, Readers)).Start();
        OpenTo(server.SocketPath);
        JsonNode answer = JsonNode.Parse(AskAs(user, group, server.SocketPath, line))!;
        if (has.Length > 0)
        {
            Assert.NotNull(answer[has]);
            return;
        }

        Assert.Equal((int)ErrorCode.NotPermitted, (int)answer["error"]!["code"]!);
        Assert.Contains(refusal, (string)answer["error"]!["message"]!);
        Assert.DoesNotContain('\n', (string)answer["error"]!["message"]!);
    }

    [Fact]
    public async Task Readers_leave_room_for_administrators()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "becomes other users");
        await using TestServer server = new TestServer(
            new ControlLimits { ReaderConnectionCount = 0 }, new ControlAccess(Owner, Admins, Readers)).Start();
        OpenTo(server.SocketPath);
        JsonNode refused = JsonNode.Parse(AskAs(5, (int)Readers, server.SocketPath, ""))!;
        Assert.Equal((int)ErrorCode.TooManyConnections, (int)refused["error"]!["code"]!);
        Assert.NotNull(JsonNode.Parse(AskAs(5, (int)Admins, server.SocketPath, List))!["result"]);
    }

    /// <summary>The first line that a process of this user and group is told; SOCK_STREAM in words that every Debian has.</summary>
    private static string AskAs(int user, int group, string path, string line)
    {
        string script = Path.Combine(Path.GetDirectoryName(path)!, "ask.pl");
        File.WriteAllText(script, """
            use Socket;
            socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
            connect($s, pack_sockaddr_un($ARGV[0])) or die "connect: $!";
            syswrite($s, $ARGV[1] . "\n");
            print scalar readline($s);
            """);
        ProcessStartInfo start = new("setpriv", ["--reuid", $"{user}", "--regid", $"{group}", "--clear-groups", "perl", script, path, line])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        (int code, string output) = Command.Finish(Process.Start(start)!);
        return code == 0 ? output : throw new InvalidOperationException(output);
    }

    private static void OpenTo(string socketPath)
    {
        for (string? directory = Path.GetDirectoryName(socketPath); directory is not null && directory != "/tmp"; directory = Path.GetDirectoryName(directory))
        {
            File.SetUnixFileMode(directory, File.GetUnixFileMode(directory) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        }
    }
}
