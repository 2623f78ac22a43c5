using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The part of <see cref="DesiredRules"/> that is about services: whose frontend is where, and that all of them have an id.</summary>
internal static class ServiceRules
{
    /// <summary>Slot 0 is never given.</summary>
    private const int MostFrontends = (1 << ServiceTable.SlotBits) - 1;

    public static void Check(DesiredState state, IReadOnlyList<ServiceSpec> come)
    {
        var owners = new Dictionary<(IpAddress, ushort, IpProtocol), string>();
        foreach (ServiceSpec service in DesiredRules.ByAge(state.Services.Values, come))
        {
            foreach (FrontendSpec frontend in service.Frontends)
            {
                Claim(owners, service, frontend, state.Local);
            }
        }

        if (owners.Count > MostFrontends)
        {
            throw new ConfigurationException($"{owners.Count} frontends are more than the {MostFrontends} that one forwarder serves; use several nodes");
        }

        foreach (ServiceSpec service in come)
        {
            CheckBackends(service);
        }
    }

    /// <summary>A NodePort stands on every address of the node, where a cluster address may lie too.</summary>
    private static void Claim(Dictionary<(IpAddress, ushort, IpProtocol), string> owners, ServiceSpec service, FrontendSpec frontend, LocalNodeSpec local)
    {
        foreach (IpAddress address in frontend.Address is { } given ? [given] : local.Addresses.Select(a => a.Address))
        {
            if (!owners.TryAdd((address, frontend.Port, service.Protocol), service.Name))
            {
                string where = frontend.Address is null ? $"node port {frontend.Port}" : $"frontend {FlowKey.Endpoint(address, frontend.Port)}";
                throw new ConfigurationException(
                    $"{service.Source}: service {service.Name}: {where}/{FlowKey.ProtocolName(service.Protocol)} is that of "
                    + $"service {owners[(address, frontend.Port, service.Protocol)]} already; give each its own");
            }
        }
    }

    private static void CheckBackends(ServiceSpec service)
    {
        var seen = new HashSet<(IpAddress, ushort)>(service.Backends.Count);
        foreach (BackendSpec backend in service.Backends)
        {
            if (!seen.Add((backend.Address, backend.Port)))
            {
                throw new ConfigurationException(
                    $"{service.Source}: service {service.Name}: backend {FlowKey.Endpoint(backend.Address, backend.Port)} is listed twice; list each address and port once");
            }
        }
    }
}
