using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Agent.Checks;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent;

/// <summary>Sets up users and roles of the cluster's etcd, after looking whether that would shut the agent itself out.</summary>
internal static class EtcdAccess
{
    /// <returns>A line for each change; one that says so when there was none.</returns>
    /// <exception cref="StoreException">It cannot be done, and nothing was changed.</exception>
    public static async Task<IReadOnlyList<string>> EnsureAsync(EtcdSettings settings, string cluster, TimeProvider time, CancellationToken cancellation)
    {
        string user = UserOf(settings);
        EndpointProbe probe = new(settings.Endpoints[0], settings, time);
        IReadOnlyList<string> steps = await probe.RunAsync(cancellation);
        if (!probe.IsMutual)
        {
            throw steps.FirstOrDefault(s => s.StartsWith('❌')) is string failed
                ? new StoreException(StoreFault.Unavailable, $"{settings.Endpoints[0].GetLeftPart(UriPartial.Authority)}: {failed[2..]}")
                : new StoreException(StoreFault.Refused, $"{settings.Endpoints[0].GetLeftPart(UriPartial.Authority)}: etcd asks for no client certificate, so that it would know nobody; start it with --client-cert-auth and --trusted-ca-file");
        }

        await using EtcdStore store = new(settings);
        IReadOnlyList<string> changes = await new EtcdUsers(store, cluster).EnsureAsync(user, cancellation);
        return changes.Count > 0 ? changes : ["users and roles of the cluster's etcd are as they should be"];
    }

    /// <summary>etcd takes the common name of a client's certificate for the user.</summary>
    private static string UserOf(EtcdSettings settings)
    {
        if (settings.CertFile is null || settings.Endpoints[0].Scheme != Uri.UriSchemeHttps)
        {
            throw new StoreException(StoreFault.Refused, "users of etcd are known by their client certificates, and its client file names none, or no https endpoint; everybody who reaches it may write");
        }

        try
        {
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(File.ReadAllText(settings.CertFile));
            return certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new StoreException(StoreFault.Refused, $"the client certificate {settings.CertFile} cannot be read ({fault.Message.TrimEnd('.')})");
        }
    }
}
