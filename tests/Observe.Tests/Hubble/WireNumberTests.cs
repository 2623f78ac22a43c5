using ClusterMesh.Datapath.Observe.Hubble.Flows;
using ClusterMesh.Datapath.Observe.Hubble.Health;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Hubble.Peers;
using ClusterMesh.Datapath.Observe.Hubble.Relays;
using Google.Protobuf.Reflection;

namespace ClusterMesh.Datapath.Observe.Tests.Hubble;

/// <summary>Packages, names and numbers are what other people's clients have compiled in.</summary>
public sealed class WireNumberTests
{
    private static readonly Dictionary<string, MessageDescriptor> s_messages =
        new[] { FlowReflection.Descriptor, ObserverReflection.Descriptor, PeerReflection.Descriptor, RelayReflection.Descriptor, HealthReflection.Descriptor }
            .SelectMany(file => file.MessageTypes).SelectMany(message => message.NestedTypes.Append(message)).ToDictionary(message => message.FullName);

    [Theory]
    [InlineData("flow.Flow", "time 1, verdict 2, drop_reason 3, ethernet 4, IP 5, l4 6, source 8, destination 9, Type 10, node_name 11, source_names 13, "
        + "destination_names 14, l7 15, reply 16, event_type 19, source_service 20, destination_service 21, traffic_direction 22, policy_match_type 23, "
        + "trace_observation_point 24, drop_reason_desc 25, is_reply 26, debug_capture_point 27, interface 28, proxy_port 29, trace_context 30, sock_xlate_point 31, "
        + "socket_cookie 32, cgroup_id 33, uuid 34, auth_type 35, trace_reason 36, node_labels 37, file 38, tunnel 39, ip_trace_id 40, emitter 41, "
        + "egress_allowed_by 21001, ingress_allowed_by 21002, egress_denied_by 21004, ingress_denied_by 21005, policy_log 21006, Summary 100000, extensions 150000")]
    [InlineData("flow.Endpoint", "ID 1, identity 2, namespace 3, labels 4, pod_name 5, workloads 6, cluster_name 7")]
    [InlineData("flow.IP", "source 1, destination 2, ipVersion 3, encrypted 4, source_xlated 5")]
    [InlineData("flow.Layer4", "TCP 1, UDP 2, ICMPv4 3, ICMPv6 4, SCTP 5")]
    [InlineData("flow.TCPFlags", "FIN 1, SYN 2, RST 3, PSH 4, ACK 5, URG 6, ECE 7, CWR 8, NS 9")]
    [InlineData("flow.FlowFilter", "source_ip 1, source_pod 2, destination_ip 3, destination_pod 4, verdict 5, event_type 6, source_fqdn 7, destination_fqdn 8, "
        + "http_status_code 9, source_label 10, destination_label 11, protocol 12, source_port 13, destination_port 14, reply 15, source_service 16, "
        + "destination_service 17, dns_query 18, source_identity 19, destination_identity 20, http_method 21, http_path 22, tcp_flags 23, node_name 24, "
        + "ip_version 25, source_workload 26, destination_workload 27, trace_id 28, uuid 29, traffic_direction 30, http_url 31, http_header 32, "
        + "drop_reason_desc 33, source_ip_xlated 34, interface 35, node_labels 36, source_cluster_name 37, destination_cluster_name 38, ip_trace_id 39, "
        + "encrypted 40, experimental 999")]
    [InlineData("flow.LostEvent", "source 1, num_events_lost 2, cpu 3, first 4, last 5")]
    [InlineData("observer.GetFlowsRequest", "number 1, follow 3, blacklist 5, whitelist 6, since 7, until 8, first 9, field_mask 10, experimental 999, extensions 150000")]
    [InlineData("observer.GetFlowsResponse", "flow 1, node_status 2, lost_events 3, node_name 1000, time 1001")]
    [InlineData("observer.ServerStatusResponse", "num_flows 1, max_flows 2, seen_flows 3, uptime_ns 4, num_connected_nodes 5, num_unavailable_nodes 6, "
        + "unavailable_nodes 7, version 8, flows_rate 9")]
    [InlineData("observer.Node", "name 1, version 2, address 3, state 4, tls 5, uptime_ns 6, num_flows 7, max_flows 8, seen_flows 9")]
    [InlineData("observer.Namespace", "cluster 1, namespace 2")]
    [InlineData("peer.ChangeNotification", "name 1, address 2, type 3, tls 4")]
    [InlineData("relay.NodeStatusEvent", "state_change 1, node_names 2, message 3")]
    [InlineData("grpc.health.v1.HealthCheckResponse", "status 1")]
    public void Fields_have_Hubbles_numbers(string message, string fields) =>
        Assert.Equal(fields, string.Join(", ", s_messages[message].Fields.InFieldNumberOrder().Select(field => $"{field.Name} {field.FieldNumber}")));

    [Fact]
    public void Calls_have_Hubbles_names()
    {
        ServiceDescriptor[] services = [.. new[] { ObserverReflection.Descriptor, PeerReflection.Descriptor, HealthReflection.Descriptor }.SelectMany(file => file.Services)];
        Assert.Equal(
            [
                "observer.Observer.GetFlows", "observer.Observer.GetAgentEvents", "observer.Observer.GetDebugEvents", "observer.Observer.GetNodes",
                "observer.Observer.GetNamespaces", "observer.Observer.ServerStatus", "peer.Peer.Notify", "grpc.health.v1.Health.Check", "grpc.health.v1.Health.Watch",
            ],
            services.SelectMany(service => service.Methods).Select(method => method.FullName));
    }

    [Fact]
    public void Drop_reasons_have_the_datapaths_numbers() => Assert.All(
        Enum.GetValues<Pipeline.DropReason>().Where(reason => (int)reason is > 0 and < 250),
        reason => Assert.True(Enum.IsDefined((DropReason)reason), $"{(int)reason} {reason}"));
}
