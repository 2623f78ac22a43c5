using System.Diagnostics;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Forwarder.Tests;

/// <summary>cmesh upgrade on real TAPs: another program in the place of the running one, and the running one going on whatever is wrong with the other.</summary>
public sealed class UpgradeTests
{
    private const string Version = """[ "$1" = --version ] && { echo "cmesh-forwarder 99.0"; exit 0; }""";
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(40);
    private static readonly string s_forwarder = Path.Combine(AppContext.BaseDirectory, "cmesh-forwarder");

    [Fact]
    public async Task The_forwarder_beside_the_command_takes_the_place_of_the_running_one()
    {
        using World world = new();
        using KeepDirectory keep = new();
        using ForwarderProcess old = await StartAsync(world, keep);
        await KeepTests.ApplyServiceAsync(world);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b");
        string links = KeepTests.Links(world);
        using PacedDatagrams datagrams = new(world, "a", "world", World.WorldAddress);
        await datagrams.StartedAsync.WaitAsync(s_limit);
        int before = await ProcessAsync(world);
        (int code, string output, string errors) = await UpgradeAsync(world);
        Assert.True(code == 0, errors);
        int after = await ProcessAsync(world);
        try
        {
            Assert.Equal(0, await old.EndAsync(waitForStreams: false)); // The next one writes where it wrote.
            Assert.Matches(@$"^west/west-worker: \S+ \(process {before}\) is replaced by \S+ \(process {after}\); packets waited \d+\.\d ms\n$", output);
            await connections.EchoAllAsync().WaitAsync(s_limit);
            (long sent, long received) = await datagrams.EndAsync();
            Assert.Equal(0, connections.LostCount);
            Assert.Equal(sent, received);
            Assert.Equal(links, KeepTests.Links(world));
            Assert.Contains($"took over from process {before}", old.Errors);
        }
        finally
        {
            await EndAsync(after);
        }

        Assert.Empty(keep.Files);
    }

    [Theory]
    [InlineData("", "is no forwarder that can be started: with --version it ends with exit code 0")]
    [InlineData("exit 7", "is no forwarder that can be started: with --version it ends with exit code 7")]
    [InlineData(Version + "\nexit 3", "could not take over: it ended with exit code 3")]
    [InlineData(Version + "\nkill -SEGV $$", "could not take over: it was ended by signal 11")]
    [InlineData(Version + "\nexec sleep 300", "could not take over: it was not up within 4 s")]
    [InlineData(Version + "\nexec FORWARDER --config /nowhere.yaml --keep /dev/shm --takeover", "could not take over: /nowhere.yaml: ")]
    [InlineData(Version + "\nFORWARDER --engine sleepy \"$@\"; exit 2", "could not take over: it ended with exit code 2")]
    public async Task Whatever_is_wrong_with_the_other_the_running_one_goes_on(string program, string sentence)
    {
        using World world = new();
        using KeepDirectory keep = new();
        using ForwarderProcess old = await StartAsync(world, keep);
        int before = await ProcessAsync(world);
        string path = Write(world, program);
        (int code, string output, string errors) = await UpgradeAsync(world, $"--forwarder {path} --limit 4");
        Assert.Equal((1, ""), (code, output));
        Assert.Matches(@$"^Error: west/west-worker: {path} {System.Text.RegularExpressions.Regex.Escape(sentence)}.*; process {before}( of version \S+)? goes on\n$", errors);
        Assert.Equal(before, await ProcessAsync(world));
        await KeepTests.ApplyServiceAsync(world); // It takes changes again at once.
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    [Fact]
    public async Task A_program_that_cannot_be_run_is_said_to_be_none()
    {
        using World world = new();
        using KeepDirectory keep = new();
        using ForwarderProcess old = await StartAsync(world, keep);
        string path = Write(world, "exit 0");
        Command.Run("chmod", $"400 {path}");
        (int code, _, string errors) = await UpgradeAsync(world, $"--forwarder {path}");
        Assert.Equal(1, code);
        Assert.Matches(@$"^Error: west/west-worker: {path} is no forwarder that can be started: .*; process \d+ goes on\n$", errors);
        (code, _, errors) = await UpgradeAsync(world, "--forwarder /nowhere/cmesh-forwarder");
        Assert.Equal(1, code);
        Assert.Matches(@"^Error: west/west-worker: /nowhere/cmesh-forwarder is no forwarder that can be started: .*; process \d+ goes on\n$", errors);
    }

    [Fact]
    public async Task One_that_dies_behind_the_takeover_is_replaced_by_the_former_program()
    {
        using World world = new();
        using KeepDirectory keep = new();
        using ForwarderProcess old = await StartAsync(world, keep);
        await using EchoConnections connections = await EchoConnections.OpenAsync(world, "world", "b", service: false);
        string path = Write(world, Version + "\n" + """
            FORWARDER "$@" & other=$!
            until grep -q waited "$CMESH_START_REPORT"; do :; done
            kill -KILL $other
            exit 9
            """);
        (int code, _, string errors) = await UpgradeAsync(world, $"--forwarder {path}");
        int after = await ProcessAsync(world);
        try
        {
            Assert.Equal(1, code);
            Assert.Matches(@$"^Error: west/west-worker: {path} took over and failed: it ended with exit code 9; version \S+ was started again as process {after}, and its flows go on\n$", errors);
            await connections.EchoAllAsync().WaitAsync(s_limit);
            Assert.Equal(0, connections.LostCount);
        }
        finally
        {
            await EndAsync(after);
        }
    }

    [Fact]
    public async Task A_forwarder_that_keeps_nothing_is_not_replaced()
    {
        using World world = new();
        using ForwarderProcess old = await ForwarderProcess.StartAsync(world);
        (int code, _, string errors) = await UpgradeAsync(world);
        Assert.Equal(1, code);
        Assert.Matches(@"^Error: west/west-worker: process \d+ was started without --keep, so that nothing of it can be taken over; start it again with --keep DIRECTORY\n$", errors);
        Assert.True(world.Ping("a", "10.0.1.12"));
    }

    private static Task<ForwarderProcess> StartAsync(World world, KeepDirectory keep) =>
        ForwarderProcess.StartAsync(world, $"--config {world.NodeFile()} --keep {keep.Path}", world.SocketPath);

    private static string Write(World world, string program)
    {
        string path = Path.Combine(world.RunDirectory, "other-forwarder");
        File.WriteAllText(path, $"#!/bin/sh\n{program.Replace("FORWARDER ", s_forwarder + " ", StringComparison.Ordinal)}\n");
        Command.Run("chmod", $"700 {path}");
        return path;
    }

    private static async Task<(int Code, string Output, string Errors)> UpgradeAsync(World world, string options = "")
    {
        using Process process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "cmesh"), $"upgrade --socket {world.SocketPath} {options}")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync().WaitAsync(s_limit);
        await process.WaitForExitAsync().WaitAsync(s_limit);
        return (process.ExitCode, output, await errors);
    }

    private static async Task<int> ProcessAsync(World world)
    {
        await using ControlClient client = await ForwarderProcess.ConnectAsync(world);
        return (await client.GetStatusAsync()).ProcessId;
    }

    /// <summary>No child of ours.</summary>
    private static async Task EndAsync(int processId)
    {
        using Process process = Process.GetProcessById(processId);
        Command.Run("kill", $"-TERM {processId}");
        await process.WaitForExitAsync().WaitAsync(s_limit);
    }
}
