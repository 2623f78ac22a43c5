using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.State.Desired;

/// <summary>The part of <see cref="DesiredRules"/> that is about services: whose frontend is where, and that all of them have an id.</summary>
internal static class ServiceRules
{
    /// <summary>Slot 0 is never given.</summary>
    private const int MostFrontends = (1 << ServiceTable.SlotBits) - 1;

    /// <summary>A Maglev table has two bytes for a backend's number.</summary>
    private const int MostMaglevBackends = ushort.MaxValue;

    /// <param name="difference">Only what comes is looked at, against the frontends that are there: a change costs what it changes.</param>
    /// <param name="idCount">Ids that frontends have now.</param>
    /// <param name="ownerOf">The service that has a frontend now; null for none.</param>
    public static void Check(LocalNodeSpec local, KindDifference<ServiceSpec> difference, int idCount, Func<FrontendKey, string?> ownerOf)
    {
        HashSet<string> gone = [.. difference.Gone.Select(s => s.Name)];
        var come = new Dictionary<FrontendKey, string>(difference.Come.Count);
        long count = idCount - difference.Gone.Sum(s => IdsOf(s, local));
        foreach (ServiceSpec service in difference.Come)
        {
            foreach ((FrontendSpec frontend, IpAddress address) in service.InstalledOn(local))
            {
                var key = new FrontendKey(address, frontend.Port, service.Protocol);
                string? owner = ownerOf(key) is { } old && !gone.Contains(old) ? old : come.GetValueOrDefault(key);
                if (owner is not null)
                {
                    throw Clash(service, frontend, address, owner);
                }

                come.Add(key, service.Name);
                count += service.HasTwoScopes(frontend.Type) ? 2 : 1;
            }

            CheckBackends(service, local);
        }

        if (count > MostFrontends)
        {
            throw new ConfigurationException($"{count} frontends are more than the {MostFrontends} that one forwarder serves; use several nodes");
        }
    }

    /// <summary>A NodePort stands on every address of the node, where a cluster address may lie too.</summary>
    private static ConfigurationException Clash(ServiceSpec service, FrontendSpec frontend, IpAddress address, string owner)
    {
        string where = frontend.Address is not null ? $"frontend {FlowKey.Endpoint(address, frontend.Port)}"
            : frontend.Type == ServiceType.HostPort ? $"host port {frontend.Port}"
            : $"node port {frontend.Port}";
        return new ConfigurationException(
            $"{service.Source}: service {service.Name}: {where}/{ServiceNames.Of(service.Protocol)} is that of service {owner} already; give each its own");
    }

    private static int IdsOf(ServiceSpec service, LocalNodeSpec local) => service.InstalledOn(local).Sum(f => service.HasTwoScopes(f.Spec.Type) ? 2 : 1);

    private static void CheckBackends(ServiceSpec service, LocalNodeSpec local)
    {
        var seen = new BackendPlaces(service.Backends.Count);
        for (int i = 0; i < service.Backends.Count; i++)
        {
            BackendSpec backend = service.Backends[i];
            if (!seen.Add(service.Backends, backend, i))
            {
                throw new ConfigurationException(
                    $"{service.Source}: service {service.Name}: backend {FlowKey.Endpoint(backend.Address, backend.Port)} is listed twice; list each address and port once");
            }
        }

        if (service.Backends.Count > MostMaglevBackends && (service.Algorithm ?? local.LoadBalancer.Algorithm) == LoadBalancingAlgorithm.Maglev)
        {
            throw new ConfigurationException(
                $"{service.Source}: service {service.Name}: {service.Backends.Count} backends are more than the {MostMaglevBackends} that Maglev takes; use service.cilium.io/lb-algorithm: random");
        }
    }
}
