using System.Net;
using System.Text.Json;
using ClusterMesh.Datapath.Control.Agent;

namespace ClusterMesh.Datapath.Agent.Probing;

/// <summary>
/// Answers on the health port of the node's addresses, as cilium-health does: <c>GET /hello</c> for whoever tries this node, and
/// <c>GET /probes?node=cluster/name</c> for the node that wants to know how we see it. It tells nothing else and changes nothing.
/// </summary>
internal sealed class HealthResponder(IReadOnlyList<IPAddress> addresses, int port, Func<string, HealthReport?> reportOf, Action<string> log) : IAsyncDisposable
{
    private readonly List<(HttpListener Listener, Task Running)> _listening = [];

    /// <summary>An address that cannot be listened on is said; the others answer.</summary>
    public void Start()
    {
        foreach (IPAddress address in addresses)
        {
            string host = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
            HttpListener listener = new();
            listener.Prefixes.Add($"http://{host}:{port}/");
            try
            {
                listener.Start();
                _listening.Add((listener, ServeAsync(listener)));
            }
            catch (Exception fault) when (fault is HttpListenerException or System.Net.Sockets.SocketException)
            {
                log($"health: {host}:{port} cannot be listened on ({fault.Message.TrimEnd('.')}); other nodes see this one without an answer there");
                listener.Close();
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach ((HttpListener listener, Task running) in _listening)
        {
            listener.Close();
            await running;
        }
    }

    private async Task ServeAsync(HttpListener listener)
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await listener.GetContextAsync();
            }
            catch (Exception fault) when (fault is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return; // Closed.
            }

            try
            {
                Answer(context);
            }
            catch (Exception fault) when (fault is HttpListenerException or ObjectDisposedException or InvalidOperationException or IOException)
            {
                // Who asked has gone.
            }
        }
    }

    private void Answer(HttpListenerContext context)
    {
        using HttpListenerResponse response = context.Response;
        byte[]? body = context.Request switch
        {
            { HttpMethod: not "GET" } => null,
            { Url.AbsolutePath: "/hello" } => [],
            { Url.AbsolutePath: "/probes" } => reportOf(context.Request.QueryString["node"] ?? "") is HealthReport report
                ? JsonSerializer.SerializeToUtf8Bytes(report, AgentJson.Default.HealthReport)
                : null,
            _ => null,
        };
        response.StatusCode = (int)(body is null ? HttpStatusCode.NotFound : HttpStatusCode.OK);
        response.ContentType = "application/json";
        response.ContentLength64 = body?.Length ?? 0;
        response.OutputStream.Write(body ?? []);
    }
}
