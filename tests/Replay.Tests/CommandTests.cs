using System.Text.Json;
using ClusterMesh.Datapath.Cli;
using static ClusterMesh.Datapath.Replay.Tests.Node;

namespace ClusterMesh.Datapath.Replay.Tests;

/// <summary>cmesh replay as a person calls it: files in, files and lines out.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-replay-").FullName;

    private static ReplayFrame[] Pod =>
    [
        Packets.Tcp(CurlPod, Epoch, "10.0.1.105:4000", "10.2.164.148:80", "S"),
        Packets.Tcp(CurlPod, Epoch + (2 * Millisecond), "10.0.1.105:4000", "10.2.164.148:80", "A"),
    ];

    private static ReplayFrame[] Uplink => [Packets.Tcp("uplink", Epoch + Millisecond, "10.1.1.2:80", "10.0.1.105:4000", "SA")];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Several_captures_are_one_replay_and_come_out_one_a_port()
    {
        string pod = Write("pod.pcap", CaptureText.Pcap(Pod));
        string uplink = Write("uplink.pcapng", CaptureText.Pcapng(Uplink));
        string expected = Text(Run([Pod[0], Uplink[0], Pod[1]]));
        foreach (string[] inputs in (string[][])[["--in", $"{CurlPod}={pod}", uplink], ["--in", uplink, "--in", $"{CurlPod}={pod}"]])
        {
            string written = Path.Combine(_directory, inputs.Length.ToString());
            (int code, string output, string error) = await RunAsync(["replay", "--config", FilePath, .. inputs, "--out", written]);
            Assert.Equal(
                (0, "3 packets: 3 transmitted, 0 dropped, 0 consumed; the datapath sent 2 of its own, 2 of which were answered by simulated neighbors\n"),
                (code, error));
            Assert.Equal(expected, WithoutNumbers(output));
            Assert.Equal(["default+curl-pod.pcap", "uplink.pcap"], Directory.GetFiles(written).Select(Path.GetFileName).Order());
        }

        // What left is itself a capture, with the times of what came.
        IReadOnlyList<ReplayFrame> left = CaptureInput.Merge([new CaptureInput(CurlPod, Path.Combine(_directory, "3", "default+curl-pod.pcap"))]);
        Assert.Equal([(Epoch + Millisecond, 1)], left.Select(f => (f.Time, f.Number)));
        Assert.Equal(54, left[0].Bytes.Length);
        foreach (string file in (string[])["uplink.pcap", "default+curl-pod.pcap"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(_directory, "3", file)), File.ReadAllBytes(Path.Combine(_directory, "4", file)));
        }
    }

    [Fact]
    public async Task The_page_shows_what_is_printed()
    {
        string pod = Write("curl-pod.pcap", CaptureText.Pcap(
        [
            .. Pod,
            Packets.Udp(CurlPod, Epoch + Second, "10.0.1.105:5000", "192.0.2.7:123"),
            Packets.Tcp(CurlPod, Epoch + (2 * Second), "10.0.1.105:4001", "10.2.164.148:80", "S", ttl: 1),
        ]));
        string uplink = Write("uplink.pcap", CaptureText.Pcap(Uplink));
        (int code, string output, string error) = await RunAsync("replay", "--config", FilePath, "--in", $"{CurlPod}={pod}", uplink);
        Assert.Equal(0, code);
        string page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "replay.md"));
        int start = page.IndexOf("--out left\n", StringComparison.Ordinal) + "--out left\n".Length;
        Assert.Equal(output + error, page[start..page.IndexOf("```", start, StringComparison.Ordinal)]);
    }

    [Fact]
    public async Task Microseconds_and_nanoseconds_are_read_as_they_are_written()
    {
        ReplayFrame[] frames = [Pod[0], Pod[1] with { Time = Epoch + 1_234_567 }];
        foreach ((byte[] file, string time) in ((byte[], string)[])[
            (CaptureText.Pcap(frames), "00:00:00.001234567Z"),
            (CaptureText.Pcapng(frames), "00:00:00.001234567Z"),
            (CaptureText.Pcap(frames, CaptureText.Microseconds), "00:00:00.001234000Z")])
        {
            string path = Write("default+curl-pod.pcap", file);
            string output = (await RunAsync("replay", "--config", FilePath, "--in", path)).Output;
            Assert.Contains($"\"packet\":2,\"time\":\"2026-01-01T{time}\",\"in\":\"default/curl-pod\",\"number\":2,", output);
        }
    }

    [Fact]
    public async Task Json_is_one_document()
    {
        string path = Write("uplink.pcap", CaptureText.Pcap(Uplink));
        (_, string output, _) = await RunAsync("replay", "--config", FilePath, "--in", path, "-o", "json");
        (_, string lines, _) = await RunAsync("replay", "--config", FilePath, "--in", path);
        Assert.Equal(lines.TrimEnd('\n').Split('\n'), JsonDocument.Parse(output).RootElement.EnumerateArray().Select(e => e.GetRawText()));
        string empty = Write("uplink.pcap", CaptureText.Pcap([]));
        (int code, output, string error) = await RunAsync("replay", "--config", FilePath, "--in", empty, "-o", "json");
        Assert.Equal((0, "[]\n"), (code, output));
        Assert.StartsWith("0 packets: ", error);
    }

    [Fact]
    public async Task A_capture_that_goes_back_in_time_is_told_of_once()
    {
        string path = Write("default+curl-pod.pcap", CaptureText.Pcap([Pod[1], Pod[0], Pod[0]]));
        (int code, string output, string error) = await RunAsync("replay", "--config", FilePath, "--in", path);
        Assert.Equal(0, code);
        Assert.StartsWith("Note: 2 packets were earlier than the one before and got its time\n3 packets: ", error);
        Assert.Equal(3, output.Split('\n').Count(l => l.StartsWith("{\"packet\":") && l.Contains("00:00:00.002000000Z")));
    }

    [Fact]
    public async Task Bad_inputs_are_one_sentence_each()
    {
        string missing = Path.Combine(_directory, "missing.pcap");
        await RefuseAsync($"{missing}: there is no such file; check the path", $"uplink={missing}");
        await RefuseAsync($"{_directory}: this is a directory; name the file in it", $"uplink={_directory}");
        string text = Write("uplink.txt", "this is no capture"u8.ToArray());
        await RefuseAsync($"{text}: this is no capture in the format pcap or pcapng (unknown file format)", text);
        string none = Write("uplink.pcap", []);
        await RefuseAsync($"{none}: this is no capture in the format pcap or pcapng (truncated dump file; tried to read 4 file header bytes, only got 0)", none);
        string cooked = Write("uplink.pcap", CaptureText.Pcap(Uplink, linkType: 113));
        await RefuseAsync($"{cooked}: the link type is LinuxSll, not Ethernet; capture on one interface (tcpdump -i eth0), not on \"any\"", cooked);
        string cut = Write("uplink.pcap", CaptureText.Pcap(Uplink)[..^10]);
        await RefuseAsync($"{cut}: packet 1 cannot be read: truncated dump file; tried to read 54 captured bytes, only got 44", cut);
        string half = Write("uplink.pcap", CaptureText.Pcap([Uplink[0], Uplink[0]])[..^60]);
        await RefuseAsync($"{half}: packet 2 cannot be read: truncated dump file; tried to read 16 header bytes, only got 10", half);
        string snapped = Write("uplink.pcap", CaptureText.Pcap(Uplink, cut: 4));
        await RefuseAsync($"{snapped}: packet 1 was cut to 50 of its 54 bytes when it was captured; capture whole packets (tcpdump -s 0)", snapped);
        string huge = Write("uplink.pcap", CaptureText.Pcap([new ReplayFrame("uplink", Epoch, new byte[65_551])]));
        await RefuseAsync($"{huge}: packet 1 has 65551 bytes; no frame is longer than 65550", huge);
        string years = Write("uplink.pcap", CaptureText.Pcap([Uplink[0] with { Time = 0 }, Uplink[0]]));
        await RefuseAsync("packet 2 is 20454 days later than the first; a replay spans at most 366 days, check the captures' clocks", years);
    }

    [Fact]
    public async Task A_port_that_is_not_there_is_refused_with_those_that_are()
    {
        const string Known = "host, uplink, default/curl-pod, default/webpod-1";
        await RefuseAsync($"default/curl=x.pcap: there is no port \"default/curl\" on this node; it has {Known}", "default/curl=x.pcap");
        await RefuseAsync(
            "capture.pcap: the file's name does not say by which port its frames enter; write PORT=capture.pcap, where PORT is one of " + Known, "capture.pcap");
    }

    [Fact]
    public async Task Captures_that_are_there_already_stay_unless_force_is_given()
    {
        string uplink = Write("uplink.pcap", CaptureText.Pcap(Uplink));
        string written = Path.Combine(_directory, "out");
        Directory.CreateDirectory(written);
        string stale = Path.Combine(written, "host.pcap");
        File.WriteAllText(stale, "stale");
        string[] arguments = ["replay", "--config", FilePath, "--in", uplink, "--out", written];
        Assert.Equal(
            (1, "", $"Error: {stale}: this file is there already; choose another directory or give --force to replace the captures in it\n"), await RunAsync(arguments));
        Assert.Equal("stale", File.ReadAllText(stale));
        Assert.Equal(0, (await RunAsync([.. arguments, "--force"])).Code);
        Assert.Equal(["default+curl-pod.pcap", "uplink.pcap"], Directory.GetFiles(written).Select(Path.GetFileName).Order());

        Assert.Equal(
            (1, "", $"Error: {uplink}: the replay reads this capture and would write it; choose another directory for --out\n"),
            await RunAsync("replay", "--config", FilePath, "--in", uplink, "--out", _directory, "--force"));
        Assert.True(File.Exists(uplink));
        (int code, _, string error) = await RunAsync("replay", "--config", FilePath, "--in", uplink, "--out", Path.Combine(uplink, "below"));
        Assert.Equal(1, code);
        Assert.StartsWith($"Error: {uplink}/below: the captures cannot be written: ", error);
    }

    [Fact]
    public async Task A_configuration_that_does_not_hold_is_refused()
    {
        Assert.Equal(
            (1, "", "Error: /nowhere.yaml: there is no such file; check the path\n"), await RunAsync("replay", "--config", "/nowhere.yaml", "--in", "uplink=x.pcap"));
        Assert.Equal(2, (await RunAsync("replay", "--in", "uplink=x.pcap")).Code);
        Assert.Equal(2, (await RunAsync("replay", "--config", FilePath, "--in", "uplink=x.pcap", "--seed", "dice")).Code);
    }

    /// <summary>The other commands must work where libpcap is not: without the libraries that need it, not one of them is missed.</summary>
    [Fact]
    public async Task Other_commands_do_without_the_replay_and_its_libraries()
    {
        foreach (string file in Directory.GetFiles(AppContext.BaseDirectory).Where(f => f.EndsWith(".dll") || f.EndsWith("cmesh.runtimeconfig.json")))
        {
            if (Path.GetFileName(file) is not ("SharpPcap.dll" or "PacketDotNet.dll" or "ClusterMesh.Datapath.Replay.dll"))
            {
                File.Copy(file, Path.Combine(_directory, Path.GetFileName(file)));
            }
        }

        using System.Diagnostics.Process cmesh = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("dotnet")
        {
            ArgumentList = { Path.Combine(_directory, "cmesh.dll"), "status", "--socket", "/nowhere/c.sock" },
            RedirectStandardError = true,
        })!;
        string error = await cmesh.StandardError.ReadToEndAsync();
        await cmesh.WaitForExitAsync();
        Assert.Equal("Error: /nowhere/c.sock: there is no such socket; start the node's forwarder or give another socket\n", error);
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        StringWriter output = new();
        StringWriter error = new();
        int code = await CommandLine.RunAsync(arguments, new Screen(output, error, TextReader.Null, _ => null, colours: false));
        return (code, output.ToString(), error.ToString());
    }

    private static string WithoutNumbers(string lines) => System.Text.RegularExpressions.Regex.Replace(lines, "\"number\":[0-9]+,", "");

    private static async Task RefuseAsync(string sentence, params string[] inputs) =>
        Assert.Equal((1, $"Error: {sentence}\n"), await RunAsync(["replay", "--config", FilePath, "--in", .. inputs]) is var (code, _, error) ? (code, error) : default);

    private string Write(string name, byte[] bytes)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
