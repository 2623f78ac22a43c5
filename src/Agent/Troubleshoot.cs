using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Mesh.Remote;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Tries the way to other clusters step by step, each step for real: name, TCP, TLS, certificates, etcd. In the layout of cilium-dbg
/// troubleshoot clustermesh. What only shows in what was synced (masquerading, one-sided services) comes behind.
/// </summary>
internal static class Troubleshoot
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(5);

    public static async Task<IReadOnlyList<string>> RunAsync(AgentRuntime agent, string? only, CancellationToken cancellation)
    {
        RemoteFile[] files = [.. agent.Remotes.Files.Where(f => only is null || f.Name == only)];
        List<string> lines = [$"Found {files.Length} cluster configurations"];
        foreach (RemoteFile file in files)
        {
            lines.Add("");
            lines.Add($"Cluster \"{file.Name}\":");
            lines.Add($"📄 Configuration path: {file.Path}");
            EtcdSettings settings = file.SettingsWith(agent.Settings.HostAliases);
            lines.Add("");
            lines.Add("🔌 Endpoints:");
            foreach (Uri endpoint in settings.Endpoints)
            {
                lines.Add($"   - {endpoint.GetLeftPart(UriPartial.Authority)}");
                await TryEndpointAsync(endpoint, settings, lines, cancellation);
            }

            lines.Add("");
            lines.Add("🔑 Digital certificates:");
            ShowCertificates(settings, lines);
            lines.Add("");
            lines.Add("⚙️ Etcd client:");
            await TryEtcdAsync(settings, lines, cancellation);
            if (agent.Remotes.Status.FirstOrDefault(s => s.Name == file.Name) is { Problem: string problem })
            {
                lines.Add($"   ❌ {problem}");
            }
        }

        lines.AddRange(agent.PeerWarnings().Select(w => $"⚠️ {w}"));
        return lines;
    }

    private static async Task TryEndpointAsync(Uri endpoint, EtcdSettings settings, List<string> lines, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_limit);
        string step = "Cannot resolve hostname";
        try
        {
            IPAddress[] addresses = settings.HostAliases.TryGetValue(endpoint.Host, out IPAddress? alias)
                ? [alias]
                : await Dns.GetHostAddressesAsync(endpoint.Host, limit.Token);
            lines.Add($"     ✅ Hostname resolved to: {string.Join(", ", addresses.Select(a => a.ToString()))}");
            step = $"Cannot establish TCP connection to {addresses[0]}:{endpoint.Port}";
            using TcpClient client = new(addresses[0].AddressFamily);
            await client.ConnectAsync(addresses[0], endpoint.Port, limit.Token);
            lines.Add($"     ✅ TCP connection successfully established to {addresses[0]}:{endpoint.Port}");
            if (endpoint.Scheme != Uri.UriSchemeHttps)
            {
                lines.Add("     ℹ️ No TLS: the endpoint is http");
                return;
            }

            step = $"Cannot establish TLS connection to {addresses[0]}:{endpoint.Port}";
            await using SslStream tls = new(client.GetStream());
            await tls.AuthenticateAsClientAsync(TlsOptions(endpoint, settings), limit.Token);
            lines.Add($"     ✅ TLS connection successfully established to {addresses[0]}:{endpoint.Port}");
            lines.Add($"     ℹ️ Negotiated TLS version: TLS {(tls.SslProtocol == SslProtocols.Tls13 ? "1.3" : "1.2")}, ciphersuite {tls.NegotiatedCipherSuite}");
        }
        catch (Exception fault) when (fault is SocketException or AuthenticationException or IOException or CryptographicException)
        {
            lines.Add($"     ❌ {step}: {fault.Message.TrimEnd('.')}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            lines.Add($"     ❌ {step}: no answer within {s_limit.TotalSeconds:0} s");
        }
    }

    private static SslClientAuthenticationOptions TlsOptions(Uri endpoint, EtcdSettings settings)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        if (settings.TrustedCaFile is not null)
        {
            policy.CustomTrustStore.ImportFromPemFile(settings.TrustedCaFile);
        }

        return new SslClientAuthenticationOptions
        {
            TargetHost = endpoint.Host,
            CertificateChainPolicy = policy,
            ClientCertificates = settings is { CertFile: not null, KeyFile: not null } ? [X509Certificate2.CreateFromPemFile(settings.CertFile, settings.KeyFile)] : null,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
        };
    }

    private static void ShowCertificates(EtcdSettings settings, List<string> lines)
    {
        X509Certificate2Collection roots = [];
        try
        {
            if (settings.TrustedCaFile is not null)
            {
                roots.ImportFromPemFile(settings.TrustedCaFile);
                lines.Add("   ✅ TLS Root CA certificates:");
                foreach (X509Certificate2 root in roots)
                {
                    Show(root, lines);
                }
            }

            if (settings is { CertFile: not null, KeyFile: not null })
            {
                using X509Certificate2 client = X509Certificate2.CreateFromPemFile(settings.CertFile, settings.KeyFile);
                lines.Add("   ✅ TLS client certificates:");
                Show(client, lines);
                using X509Chain chain = new();
                chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                chain.ChainPolicy.CustomTrustStore.AddRange(roots);
                if (!chain.Build(client))
                {
                    lines.Add("        ⚠️ Cannot verify certificate with the configured root CAs");
                }
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            lines.Add($"   ❌ Cannot read certificates: {fault.Message.TrimEnd('.')}");
        }
    }

    private static void Show(X509Certificate2 certificate, List<string> lines)
    {
        string serial = string.Join(':', Convert.FromHexString(certificate.SerialNumber).Select(b => b.ToString("x2")));
        lines.Add($"      - Serial number:       {serial}");
        lines.Add($"        Subject:             {certificate.Subject}");
        lines.Add($"        Issuer:              {certificate.Issuer}");
        lines.Add("        Validity:");
        lines.Add($"          Not before:        {certificate.NotBefore.ToUniversalTime():yyyy-MM-dd HH:mm:ss} +0000 UTC");
        lines.Add($"          Not after:         {certificate.NotAfter.ToUniversalTime():yyyy-MM-dd HH:mm:ss} +0000 UTC");
        if (certificate.NotAfter.ToUniversalTime() < DateTime.UtcNow)
        {
            lines.Add("        ❌ The certificate has expired");
        }
    }

    private static async Task TryEtcdAsync(EtcdSettings settings, List<string> lines, CancellationToken cancellation)
    {
        await using EtcdStore store = new(settings with { Timeout = s_limit });
        try
        {
            // The heartbeat is what every role may read; the server's version it need not tell.
            await store.GetAsync(Mesh.Schema.MeshKeys.Heartbeat, cancellation);
            lines.Add("   ✅ Etcd connection successfully established");
            lines.Add($"   ℹ️ Etcd cluster ID: {store.ClusterId:x}");
            lines.Add($"   ℹ️ Etcd server version: {await store.GetVersionAsync(cancellation)}");
        }
        catch (StoreException fault) when (store.ClusterId != 0)
        {
            lines.Add($"   ℹ️ Etcd server version: not told ({fault.Message})");
        }
        catch (StoreException fault)
        {
            lines.Add($"   ❌ Failed to establish etcd connection: {fault.Message}");
        }
    }
}
