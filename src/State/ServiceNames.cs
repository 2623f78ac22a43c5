using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State;

/// <summary>What Cilium calls the parts of a service, for files, lists and sentences.</summary>
public static class ServiceNames
{
    private static readonly (BackendState State, string Name)[] s_states =
    [
        (BackendState.Active, "active"),
        (BackendState.Terminating, "terminating"),
        (BackendState.TerminatingNotServing, "terminating-not-serving"),
        (BackendState.Quarantined, "quarantined"),
        (BackendState.Maintenance, "maintenance"),
    ];

    /// <summary>All names of states, in the order of slots.</summary>
    public static IEnumerable<string> States => s_states.Select(s => s.Name);

    public static string Of(BackendState state) => s_states[(int)state].Name;

    public static bool TryParse(string name, out BackendState state)
    {
        int found = Array.FindIndex(s_states, s => s.Name == name);
        state = found < 0 ? default : s_states[found].State;
        return found >= 0;
    }

    /// <summary>TCP, UDP, SCTP or ANY.</summary>
    public static string Of(IpProtocol protocol) => protocol == ServiceTable.AnyProtocol ? "ANY" : FlowKey.ProtocolName(protocol);

    /// <summary>10.2.33.10:80/TCP.</summary>
    public static string Of(IpAddress address, ushort port, IpProtocol protocol) => $"{FlowKey.Endpoint(address, port)}/{Of(protocol)}";

    /// <summary>10.2.33.10:80/TCP, and /i behind it for the inner side of a frontend that has two.</summary>
    public static string Of(Frontend frontend) => Of(frontend.Address, frontend.Port, frontend.Protocol) + (frontend.IsInternal ? "/i" : "");
}
