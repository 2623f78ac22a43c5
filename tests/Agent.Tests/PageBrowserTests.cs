using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Agent.Tests;

/// <summary>The web page in a headless Chromium, as a person sees and uses it. With UPDATE_DOCS=1 its pictures go to docs/images.</summary>
public sealed class PageBrowserTests
{
    [Fact]
    public async Task A_person_sees_the_mesh_asks_for_a_drop_and_filters()
    {
        await using PageHost host = await PageHost.StartAsync();
        using Browser browser = new();
        browser.Look(1280, 900, isDark: false);
        browser.Open(host.Address);

        // Empty states in words.
        await SeesAsync(browser, "document.querySelector('#live').innerText === 'live'");
        await SeesAsync(browser, "document.querySelectorAll('#tiles .tile').length === 4");
        Assert.Equal("No flows yet: send some traffic.", browser.Text("#rows-empty"));
        await SeesAsync(browser, "document.querySelector('#map-empty').innerText === 'No flows in the last 60 s: send some traffic.'");

        // What comes is shown as it comes.
        MakeFlows(host);
        await SeesAsync(browser, "document.querySelectorAll('#rows tr').length === 49");
        await SeesAsync(browser, "document.querySelectorAll('#map .arrow').length === 7");
        Assert.Equal("west/west-worker", browser.Text("#title"));
        Assert.Contains("default/curl-pod", browser.Text("#map"));
        Assert.Contains("shop/web", browser.Text("#map"));
        Assert.Equal(3, browser.Run("return document.querySelectorAll('#map .arrow.bad').length")!.GetValue<int>());
        Assert.Contains("Conntrack\n3,812 of 65,536 entries", browser.Text("#tables"));
        Assert.Contains("east/east-worker\nICMP to the node: no answer within 3 s", browser.Text("#health"));

        TakePictures(browser);

        // A click on a drop explains it; Escape closes.
        browser.Look(1280, 900, isDark: false);
        browser.Type("#q", "orders");
        await SeesAsync(browser, "document.querySelectorAll('#rows tr').length === 3");
        browser.Click("#rows button");
        Assert.Equal("Policy denied (133)", browser.Text("#explain-title"));
        Assert.Contains("none allows this", browser.Text("#explain-content"));
        Assert.Contains("cmesh trace --from default/curl-pod:", browser.Text("#explain-content"));
        Save("page-drop-1280-light.png", browser.Picture(isWhole: false));
        browser.Press("\uE00C");
        Assert.False(browser.IsTrue("document.querySelector('#explain').open"));

        // Filters, and a drop on the map by the keyboard.
        browser.Click("#clear");
        await SeesAsync(browser, "document.querySelectorAll('#rows tr').length === 49");
        browser.Run("const s = document.querySelector('#verdict'); s.value = 'DROPPED'; s.dispatchEvent(new Event('change'))");
        await SeesAsync(browser, "document.querySelectorAll('#rows tr').length === 7");
        Assert.True(browser.IsTrue("[...document.querySelectorAll('#rows .verdict')].every(v => v.innerText === 'DROPPED')"));
        browser.Type("#q", "no-such-pod");
        await SeesAsync(browser, "document.querySelector('#rows-empty').innerText === 'No flow matches these filters.'");
        browser.Run("[...document.querySelectorAll('#map g.link')].find(g => g.querySelector('.bad')).focus()");
        browser.Press("\uE007");
        Assert.True(browser.IsTrue("document.querySelector('#explain').open"));
        browser.Press("\uE00C");
        browser.Click("#clear");

        // Names of elsewhere are text and nothing else.
        host.Drop("10.1.1.66", "10.0.1.105", 80, DropReason.PolicyDenied);
        await SeesAsync(browser, "document.querySelector('#map').textContent.includes('<img src=x')");
        Assert.Contains(PageHost.Hostile, browser.Text("#rows"));
        Assert.True(browser.IsTrue("document.images.length === 0"));
        Assert.Empty(browser.Complaints());
    }

    private static void MakeFlows(PageHost host)
    {
        for (int i = 0; i < 14; i++)
        {
            host.Connect(i % 5 == 4 ? "10.0.1.61" : "10.0.1.105", i % 3 == 0 ? "10.1.1.2" : "10.0.1.14");
        }

        for (int i = 0; i < 3; i++)
        {
            host.Drop("10.0.1.105", "10.1.1.7", 5432, DropReason.PolicyDenied);
            host.Drop("10.0.1.61", "10.0.1.199", 9100, DropReason.Unroutable);
        }

        host.Drop("172.18.0.100", "10.2.0.10", 80, DropReason.ClusterIp);
    }

    private static void TakePictures(Browser browser)
    {
        foreach ((int width, int height) in new[] { (1280, 900), (390, 844) })
        {
            foreach (bool isDark in new[] { false, true })
            {
                browser.Look(width, height, isDark);
                Eventually.TrueAsync(() => browser.IsTrue($"document.querySelector('#map svg').viewBox.baseVal.width <= {width} && matchMedia('(prefers-color-scheme: {(isDark ? "dark" : "light")})').matches"), () => width).GetAwaiter().GetResult();
                Assert.True(
                    browser.IsTrue("document.documentElement.scrollWidth <= innerWidth"),
                    $"{width} pixels: the page is wider than its window: " + browser.Run("return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.tagName + '#' + e.id + '.' + e.className).join(' ')"));
                Save($"page-{width}-{(isDark ? "dark" : "light")}.png", browser.Picture(isWhole: true));
            }
        }
    }

    private static void Save(string name, byte[] picture)
    {
        Assert.True(picture.Length > 10_000 && picture[1] == (byte)'P', $"{name} is no picture");
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1")
        {
            string directory = Path.Combine(Root(), "docs", "images");
            Directory.CreateDirectory(directory);
            File.WriteAllBytes(Path.Combine(directory, name), picture);
        }
    }

    private static string Root()
    {
        string? at = AppContext.BaseDirectory;
        while (at is not null && !File.Exists(Path.Combine(at, "ClusterMesh.Datapath.sln")))
        {
            at = Path.GetDirectoryName(at);
        }

        return at ?? throw new DirectoryNotFoundException("the tests do not run within the tree");
    }

    private static Task SeesAsync(Browser browser, string expression) => Eventually.TrueAsync(
        () => browser.IsTrue(expression), () => $"{expression}: {browser.Text("main")}\n{string.Join('\n', browser.Complaints())}");
}
