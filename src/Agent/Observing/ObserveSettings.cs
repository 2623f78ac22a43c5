using System.Net;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.Pipeline.Events;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>What the agent's file says of observing: where it is served, and how much is told.</summary>
/// <param name="EventsSocket">Where the forwarder gives its flow events.</param>
/// <param name="HubbleSocket">Hubble's API of this node.</param>
/// <param name="ApiSocket">The agent's REST API.</param>
/// <param name="HubbleEndpoint">Hubble's API over TCP; null for none.</param>
/// <param name="Tls">For Hubble's API over TCP, and towards other nodes' when we are a relay; null for plain HTTP/2.</param>
/// <param name="RelaySocket">Hubble's API of all nodes; null for none.</param>
/// <param name="RelayEndpoint">The same over TCP; null for none.</param>
/// <param name="MetricsEndpoint">Where Prometheus asks; null for none.</param>
/// <param name="PageEndpoint">The web page, at a loopback address; null for none.</param>
/// <param name="PeerPort">At which other nodes' Hubble listens, as peers are told.</param>
internal sealed record ObserveSettings(
    string EventsSocket, string HubbleSocket, string ApiSocket, IPEndPoint? HubbleEndpoint, ObserveTls? Tls, string? RelaySocket, IPEndPoint? RelayEndpoint,
    IPEndPoint? MetricsEndpoint, IPEndPoint? PageEndpoint, int PeerPort, int FlowCapacity, FlowDetail Detail)
{
    private const int HubblePort = 4244;
    private const int MostFlows = 16 * 1024 * 1024;

    /// <param name="field">The section observe; null when the file has none.</param>
    /// <param name="directory">Of the node's sockets.</param>
    public static ObserveSettings Parse(YamlField? field, string directory, string forwarderSocket)
    {
        field?.Only("events", "hubble", "api", "listen", "tls", "relay", "relayListen", "metricsListen", "web", "peerPort", "flows", "detail");
        YamlField? tls = field?["tls"]?.Only("cert", "key", "ca");
        return new ObserveSettings(
            field?["events"]?.Text() ?? ControlPaths.EventsBeside(forwarderSocket),
            field?["hubble"]?.Text() ?? Path.Combine(directory, "hubble.sock"),
            field?["api"]?.Text() ?? Path.Combine(directory, "api.sock"),
            EndPointOf(field?["listen"]),
            tls is null ? null : new ObserveTls(tls.Need("cert").Text(), tls.Need("key").Text(), tls.Need("ca").Text()),
            field?["relay"]?.Text(),
            EndPointOf(field?["relayListen"]),
            EndPointOf(field?["metricsListen"]),
            PageEndpointOf(field?["web"]),
            field?["peerPort"]?.Number(1, ushort.MaxValue) ?? EndPointOf(field?["listen"])?.Port ?? HubblePort,
            field?["flows"]?.Number(1, MostFlows) ?? FlowStore.DefaultCapacity,
            field?["detail"]?.OneOf("changes", "packets") == "packets" ? FlowDetail.EveryPacket : FlowDetail.Changes);
    }

    /// <summary>The page has neither passwords nor TLS.</summary>
    private static IPEndPoint? PageEndpointOf(YamlField? field) => field is null || field.Text() == "off"
        ? null
        : IPEndPoint.Parse(field.Checked(t => IPEndPoint.TryParse(t, out IPEndPoint? point) && point.Port != 0 && IPAddress.IsLoopback(point.Address)
            ? null
            : $"'{t}' is neither off nor a loopback address and a port like 127.0.0.1:8081; reach the page from elsewhere by ssh -L"));

    private static IPEndPoint? EndPointOf(YamlField? field) => field is null
        ? null
        : IPEndPoint.Parse(field.Checked(t => IPEndPoint.TryParse(t, out IPEndPoint? point) && point.Port != 0 ? null : $"'{t}' is no address and port like 127.0.0.1:4244"));
}
