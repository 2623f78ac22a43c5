using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Agent;
using ClusterMesh.Datapath.Mesh.Certificates;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// How clusters get to know each other: certificates (enable), what another cluster needs to connect (access), and the files by which
/// this one does (connect, disconnect). Everything may be repeated.
/// </summary>
internal sealed class MeshAccess(AgentSettings settings, TimeProvider time, Func<(string RoutingMode, IReadOnlyList<string> PodCidrs)> network)
{
    /// <summary>A certificate that ends sooner is made anew.</summary>
    private static readonly TimeSpan s_renewal = TimeSpan.FromDays(30);

    /// <summary>Makes what is missing or about to expire. A CA that is there is kept; another one is refused, since it would shut out who trusts the old.</summary>
    public EnableResult Enable(EnableRequest request)
    {
        string pki = Pki;
        Directory.CreateDirectory(pki);
        List<string> lines = [];
        using X509Certificate2 ca = EnsureCa(request, lines);
        EnsureLeaf(ca, "server", "server certificate for the cluster's etcd", lines, now => MeshCertificates.CreateServer(ca, now, addresses: Addresses()));
        EnsureLeaf(ca, "remote", $"client certificate '{MeshCertificates.RemoteUser}' for other clusters", lines, now => MeshCertificates.CreateClient(ca, MeshCertificates.RemoteUser, now));
        EnsureLeaf(ca, "admin", $"client certificate '{MeshCertificates.AdminUser}' for the cluster's agents", lines, now => MeshCertificates.CreateClient(ca, MeshCertificates.AdminUser, now));
        return new EnableResult(lines, File.ReadAllText(PathOf("ca.crt")), File.ReadAllText(PathOf("ca.key")));
    }

    public AccessDocument Access()
    {
        IPEndPoint endpoint = Endpoint;
        if (!File.Exists(PathOf("remote.crt")))
        {
            throw Refuse($"cluster {settings.Cluster} is not enabled; run cmesh clustermesh enable --context {settings.Cluster}");
        }

        (string mode, IReadOnlyList<string> cidrs) = network();
        return new AccessDocument(
            settings.Cluster, settings.ClusterId, settings.MaxConnectedClusters, mode, cidrs,
            $"https://{settings.Cluster}.mesh.cilium.io:{endpoint.Port}", endpoint.Address.ToString(),
            File.ReadAllText(PathOf("ca.crt")), File.ReadAllText(PathOf("remote.crt")), File.ReadAllText(PathOf("remote.key")));
    }

    /// <summary>Writes the other cluster's file last, when all that it names is there.</summary>
    public TextResult Connect(AccessDocument other)
    {
        string? refusal = ClusterRules.CheckLocal(other.Cluster, other.ClusterId, settings.MaxConnectedClusters)
            ?? (other.Cluster == settings.Cluster ? $"remote and local cluster have the same, non-unique name: {other.Cluster}" : null)
            ?? (other.ClusterId == settings.ClusterId ? $"remote and local cluster have the same, non-unique ID: {other.ClusterId}" : null);
        if (refusal is not null)
        {
            throw Refuse(refusal);
        }

        Directory.CreateDirectory(settings.RemoteDirectory);
        string file(string name) => Path.Combine(settings.RemoteDirectory, name);
        string prefix = $"{other.Cluster}.etcd-client";
        MeshCertificates.WriteFile(file($"{prefix}-ca.crt"), other.CaCertificate, secret: false);
        MeshCertificates.WriteFile(file($"{prefix}.key"), other.ClientKey, secret: true);
        MeshCertificates.WriteFile(file($"{prefix}.crt"), other.ClientCertificate, secret: false);
        MeshCertificates.WriteFile(file(other.Cluster), $"""
            endpoints:
            - {other.Endpoint}
            trusted-ca-file: {file($"{prefix}-ca.crt")}
            key-file: {file($"{prefix}.key")}
            cert-file: {file($"{prefix}.crt")}
            host-aliases: {"{"}{new Uri(other.Endpoint).Host}: "{other.Address}"{"}"}
            routing-mode: {other.RoutingMode}

            """, secret: false);
        return new TextResult([$"{settings.Node}: {file(other.Cluster)} written"]);
    }

    public TextResult Disconnect(ClusterRequest request)
    {
        string cluster = request.Cluster ?? "";
        string path = Path.Combine(settings.RemoteDirectory, cluster);
        if (ClusterRules.CheckName(cluster) is not null || !File.Exists(path))
        {
            throw new ControlException(ErrorCode.NotFound, $"cluster '{cluster}' is not connected: there is no {path}");
        }

        foreach (string end in (string[])["", ".etcd-client-ca.crt", ".etcd-client.key", ".etcd-client.crt"])
        {
            File.Delete(path + end);
        }

        return new TextResult([$"{settings.Node}: {path} removed"]);
    }

    private string Pki => settings.PkiDirectory ?? throw Refuse("the agent's file names no directory in clustermesh.pki; add one");

    private IPEndPoint Endpoint => settings.MeshEndpoint is string text
        ? IPEndPoint.Parse(text)
        : throw Refuse("the agent's file names no address in clustermesh.endpoint; add one like 172.18.0.4:32379");

    private static ControlException Refuse(string sentence) => new(ErrorCode.InvalidConfiguration, sentence);

    private string PathOf(string file) => Path.Combine(Pki, file);

    private IEnumerable<IPAddress> Addresses() => settings.Addresses.Select(a => IPAddress.Parse(a.Address)).Append(Endpoint.Address).Distinct();

    private X509Certificate2 EnsureCa(EnableRequest request, List<string> lines)
    {
        try
        {
            if (File.Exists(PathOf("ca.crt")))
            {
                X509Certificate2 present = MeshCertificates.Read(PathOf("ca.crt"), PathOf("ca.key"));
                if (request.CaCertificate is not null)
                {
                    using X509Certificate2 given = X509Certificate2.CreateFromPem(request.CaCertificate);
                    if (given.Thumbprint != present.Thumbprint)
                    {
                        throw Refuse($"{PathOf("ca.crt")} is another CA than the one given; remove it, and enable again, to change the CA of cluster {settings.Cluster}");
                    }
                }

                lines.Add($"✅ CA {present.Subject} kept, valid until {present.NotAfter.ToUniversalTime():u}");
                return present;
            }

            X509Certificate2 ca = request is { CaCertificate: not null, CaKey: not null }
                ? X509Certificate2.CreateFromPem(request.CaCertificate, request.CaKey)
                : MeshCertificates.CreateCa(time.GetUtcNow());
            MeshCertificates.Write(ca, PathOf("ca.crt"), PathOf("ca.key"));
            lines.Add($"🔑 CA {ca.Subject} {(request.CaCertificate is null ? "made" : "taken over")}, valid until {ca.NotAfter.ToUniversalTime():u}");
            return ca;
        }
        catch (Exception fault) when (fault is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw Refuse($"the CA in {Pki} cannot be read or written ({fault.Message.TrimEnd('.')})");
        }
    }

    private void EnsureLeaf(X509Certificate2 ca, string name, string what, List<string> lines, Func<DateTimeOffset, X509Certificate2> make)
    {
        string cert = PathOf($"{name}.crt");
        if (File.Exists(cert))
        {
            using X509Certificate2 present = X509Certificate2.CreateFromPem(File.ReadAllText(cert));
            if (present.NotAfter.ToUniversalTime() - time.GetUtcNow().UtcDateTime > s_renewal && present.Issuer == ca.Subject)
            {
                lines.Add($"✅ {what} kept, valid until {present.NotAfter.ToUniversalTime():u}");
                return;
            }
        }

        using X509Certificate2 made = make(time.GetUtcNow());
        MeshCertificates.Write(made, cert, PathOf($"{name}.key"));
        lines.Add($"🔑 {what} made, valid until {made.NotAfter.ToUniversalTime():u}");
    }
}
