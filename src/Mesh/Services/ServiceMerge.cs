using ClusterMesh.Datapath.Mesh.Schema;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Mesh.Services;

/// <summary>
/// Local and remote backends of one port of a service, merged as Cilium 1.17 does (service_merger.go, selectbackends.go). Pure: the same
/// inputs give the same list, in the same order. A remote record counts only for a local service that is global; whether the other
/// cluster shares it was looked at when it was received.
/// </summary>
public static class ServiceMerge
{
    /// <param name="isIpv4">Family of the frontend; backends of the other one are left out.</param>
    /// <param name="local">Backends of all the service's ports.</param>
    /// <param name="remote">The service's records of other clusters, in the order of the clusters' names.</param>
    /// <param name="conflicts">Addresses that two clusters claim are added: the own cluster wins, then the first.</param>
    public static IReadOnlyList<MergedBackend> Merge(
        GlobalSettings settings, string portName, IpProtocol protocol, bool isIpv4,
        IEnumerable<ServiceBackend> local, IEnumerable<ClusterService> remote, ICollection<string>? conflicts = null)
    {
        List<ServiceBackend> all = [.. local.Where(b => b.Protocol == protocol && b.Address.IsIpv4 == isIpv4 && SamePort(b.PortName, portName))];
        Dictionary<(IpAddress, ushort), ServiceBackend> taken = [];
        all.RemoveAll(b => !taken.TryAdd((b.Address, b.Port), b));
        if (settings.IsGlobal)
        {
            foreach (ClusterService service in remote)
            {
                foreach (ServicePort port in service.Backends.Where(p => p.Protocol == protocol && p.Address.IsIpv4 == isIpv4 && SamePort(p.Name, portName)))
                {
                    ServiceBackend backend = new(port.Address, port.Name, protocol, port.Port, BackendState.Active, service.Cluster);
                    if (taken.TryAdd((port.Address, port.Port), backend))
                    {
                        all.Add(backend);
                    }
                    else if (taken[(port.Address, port.Port)].Cluster != service.Cluster)
                    {
                        conflicts?.Add($"Conflicting service backend IP {port}: {service.Cluster} claims what {NameOf(taken[(port.Address, port.Port)])} has");
                    }
                }
            }
        }

        all.Sort(Order);
        return Select(settings, all);
    }

    /// <summary>
    /// The datapath uses the active preferred backends, if there are any; else all that are active; else all that are terminating. One
    /// preferred backend that is left takes everything, unless the service asks for more of them.
    /// </summary>
    private static MergedBackend[] Select(GlobalSettings settings, List<ServiceBackend> all)
    {
        bool preferred(ServiceBackend b) =>
            (settings.Affinity == ServiceAffinity.Local && b.IsLocal) || (settings.Affinity == ServiceAffinity.Remote && !b.IsLocal);
        bool anyPreferred = all.Count(b => b.State == BackendState.Active && preferred(b)) >= (settings.Affinity == ServiceAffinity.Local ? settings.LeastLocal : 1);
        bool anyActive = all.Any(b => b.State == BackendState.Active);
        return [.. all.Select(b => new MergedBackend(b, preferred(b), (anyPreferred, anyActive) switch
        {
            (true, _) => b.State == BackendState.Active && preferred(b),
            (_, true) => b.State == BackendState.Active,
            _ => b.State == BackendState.Terminating,
        }))];
    }

    /// <summary>By name only when both sides have one.</summary>
    private static bool SamePort(string one, string other) => one.Length == 0 || other.Length == 0 || one == other;

    private static string NameOf(ServiceBackend backend) => backend.IsLocal ? "the local cluster" : backend.Cluster;

    private static int Order(ServiceBackend left, ServiceBackend right)
    {
        int cluster = string.CompareOrdinal(left.Cluster, right.Cluster);
        int address = left.Address.CompareTo(right.Address);
        return cluster != 0 ? cluster : address != 0 ? address : left.Port.CompareTo(right.Port);
    }
}
