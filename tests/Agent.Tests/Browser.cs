using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>A headless Chromium with nothing of anybody's in it, driven over WebDriver (W3C) by Debian's chromium-driver.</summary>
internal sealed partial class Browser : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly Process _driver;
    private readonly HttpClient _http;
    private readonly string _directory = Directory.CreateTempSubdirectory("cmesh-browser-").FullName;
    private readonly string _session = "";

    public Browser()
    {
        ProcessStartInfo start = new("chromedriver", "--port=0") { RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["HOME"] = _directory, ["TMPDIR"] = _directory } };
        _driver = Process.Start(start)!;
        AppDomain.CurrentDomain.ProcessExit += Kill;
        TaskCompletionSource<string> port = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _driver.ErrorDataReceived += (_, _) => { };
        _driver.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null)
            {
                port.TrySetException(new InvalidOperationException("chromedriver ended before it had a port"));
            }
            else if (Started().Match(line.Data) is { Success: true } match)
            {
                port.TrySetResult(match.Groups[1].Value);
            }
        };
        _driver.BeginErrorReadLine();
        _driver.BeginOutputReadLine();
        _http = new HttpClient { Timeout = s_limit };
        try
        {
            _http.BaseAddress = new Uri($"http://127.0.0.1:{port.Task.WaitAsync(s_limit).GetAwaiter().GetResult()}");
            _session = $"/session/{Begin()}";
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private string Begin() => Send("/session", new JsonObject
    {
        ["capabilities"] = new JsonObject
        {
            ["alwaysMatch"] = new JsonObject
            {
                ["browserName"] = "chrome",
                ["goog:loggingPrefs"] = new JsonObject { ["browser"] = "ALL" },
                ["goog:chromeOptions"] = new JsonObject
                {
                    ["args"] = new JsonArray("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--no-proxy-server", "--hide-scrollbars", $"--user-data-dir={_directory}/profile"),
                },
            },
        },
    })["sessionId"]!.GetValue<string>();

    public void Open(string address) => Send($"{_session}/url", new JsonObject { ["url"] = address });

    /// <summary>What a script of the page returns, as JSON; null as such.</summary>
    public JsonNode? Run(string script) => Send($"{_session}/execute/sync", new JsonObject { ["script"] = script, ["args"] = new JsonArray() });

    public string Text(string selector) => Run($"return document.querySelector({JsonSerializer.Serialize(selector)})?.innerText ?? ''")!.GetValue<string>();

    public bool IsTrue(string expression) => Run($"return Boolean({expression})")!.GetValue<bool>();

    /// <summary>As a person does: into the middle of what is seen of it.</summary>
    public void Click(string selector) => Send($"{_session}/element/{Find(selector)}/click", []);

    public void Type(string selector, string text) => Send($"{_session}/element/{Find(selector)}/value", new JsonObject { ["text"] = text });

    /// <summary>To the element that has the focus. \uE004 is Tab, \uE007 Enter, \uE00C Escape.</summary>
    public void Press(string key) => Send($"{_session}/actions", new JsonObject
    {
        ["actions"] = new JsonArray(new JsonObject
        {
            ["type"] = "key",
            ["id"] = "keys",
            ["actions"] = new JsonArray(new JsonObject { ["type"] = "keyDown", ["value"] = key }, new JsonObject { ["type"] = "keyUp", ["value"] = key }),
        }),
    });

    /// <summary>How wide the page is, and whether its reader likes it dark.</summary>
    public void Look(int width, int height, bool isDark)
    {
        Devtools("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });
        Devtools("Emulation.setEmulatedMedia", new JsonObject { ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = isDark ? "dark" : "light" }) });
    }

    /// <summary>The whole page as PNG, or only what is seen of it.</summary>
    public byte[] Picture(bool isWhole) => Convert.FromBase64String(
        Devtools("Page.captureScreenshot", new JsonObject { ["format"] = "png", ["captureBeyondViewport"] = isWhole })!["data"]!.GetValue<string>());

    /// <summary>What the page's console has said since the last question: errors of scripts, refusals by the content security policy.</summary>
    public string[] Complaints() => [.. Send($"{_session}/se/log", new JsonObject { ["type"] = "browser" }).AsArray()
        .Where(e => e!["level"]!.GetValue<string>() is "SEVERE" or "WARNING").Select(e => e!["message"]!.GetValue<string>())];

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Kill;
        try
        {
            if (_session.Length > 0)
            {
                _http.DeleteAsync(new Uri(_session, UriKind.Relative)).Wait(s_limit);
            }
        }
        finally
        {
            Kill(null, EventArgs.Empty);
            _http.Dispose();
            _driver.Dispose();
            Directory.Delete(_directory, recursive: true);
        }
    }

    private JsonNode? Devtools(string command, JsonObject parameters) => Send($"{_session}/goog/cdp/execute", new JsonObject { ["cmd"] = command, ["params"] = parameters });

    private string Find(string selector) =>
        Send($"{_session}/element", new JsonObject { ["using"] = "css selector", ["value"] = selector }).AsObject().First().Value!.GetValue<string>();

    private JsonNode Send(string path, JsonObject body)
    {
        // With its length: chromedriver reads no chunks.
        using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
        using HttpResponseMessage response = _http.PostAsync(new Uri(path, UriKind.Relative), content).GetAwaiter().GetResult();
        string text = response.Content.ReadAsStringAsync().GetAwaiter().GetResult();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {text}");
        return JsonNode.Parse(text)!["value"]!; // Null where a script returns nothing.
    }

    private void Kill(object? sender, EventArgs e)
    {
        if (!_driver.HasExited)
        {
            _driver.Kill(entireProcessTree: true);
            _driver.WaitForExit();
        }
    }

    [GeneratedRegex(@"started successfully on port (\d+)")]
    private static partial Regex Started();
}
