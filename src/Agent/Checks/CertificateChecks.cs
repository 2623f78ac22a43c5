using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Checks;

/// <summary>What an etcd client file's certificates are, and what is wrong with them before anybody connects.</summary>
internal static class CertificateChecks
{
    private static readonly TimeSpan s_soon = TimeSpan.FromDays(30);

    /// <summary>Root CAs and the client's certificate, in the lines of cilium-dbg troubleshoot clustermesh.</summary>
    public static IEnumerable<string> Show(EtcdSettings settings, DateTimeOffset now)
    {
        List<string> lines = [];
        X509Certificate2Collection roots = [];
        try
        {
            if (settings.TrustedCaFile is not null)
            {
                roots.ImportFromPemFile(settings.TrustedCaFile);
                lines.Add("✅ TLS Root CA certificates:");
                foreach (X509Certificate2 root in roots)
                {
                    lines.AddRange(Show(root, now));
                }
            }

            if (settings is { CertFile: not null, KeyFile: not null })
            {
                using X509Certificate2 client = X509Certificate2.CreateFromPemFile(settings.CertFile, settings.KeyFile);
                lines.Add("✅ TLS client certificates:");
                lines.AddRange(Show(client, now));
                using X509Chain chain = new();
                chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
                chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
                chain.ChainPolicy.CustomTrustStore.AddRange(roots);
                if (!chain.Build(client))
                {
                    lines.Add("     ⚠️ Cannot verify certificate with the configured root CAs");
                }
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            lines.Add($"❌ Cannot read certificates: {fault.Message.TrimEnd('.')}");
        }

        return lines;
    }

    /// <summary>One sentence for each certificate of a cluster's client file that has ended or soon will.</summary>
    public static IEnumerable<string> Ending(string cluster, EtcdSettings settings, DateTimeOffset now)
    {
        foreach ((string what, string? path) in ((string, string?)[])[("client certificate", settings.CertFile), ("trusted CA", settings.TrustedCaFile)])
        {
            DateTimeOffset end;
            try
            {
                if (path is null)
                {
                    continue;
                }

                using X509Certificate2 certificate = X509Certificate2.CreateFromPem(File.ReadAllText(path));
                end = certificate.NotAfter.ToUniversalTime();
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
            {
                continue; // The connection says so at its next handshake.
            }

            if (end - now < s_soon)
            {
                yield return $"cluster {cluster}: the {what} {path} {(end < now ? "has ended" : "ends")} {end:u}; enable {cluster} and connect again to have a new one";
            }
        }
    }

    private static IEnumerable<string> Show(X509Certificate2 certificate, DateTimeOffset now)
    {
        string serial = string.Join(':', Convert.FromHexString(certificate.SerialNumber).Select(b => b.ToString("x2")));
        DateTimeOffset end = certificate.NotAfter.ToUniversalTime();
        yield return $"   - Serial number:       {serial}";
        yield return $"     Subject:             {certificate.Subject}";
        yield return $"     Issuer:              {certificate.Issuer}";
        yield return "     Validity:";
        yield return $"       Not before:        {certificate.NotBefore.ToUniversalTime():yyyy-MM-dd HH:mm:ss} +0000 UTC";
        yield return $"       Not after:         {end:yyyy-MM-dd HH:mm:ss} +0000 UTC";
        if (end < now)
        {
            yield return "     ❌ The certificate has expired";
        }
        else if (certificate.NotBefore.ToUniversalTime() > now)
        {
            yield return "     ❌ The certificate does not hold yet; look at the clocks";
        }
        else if (end - now < s_soon)
        {
            yield return $"     ⚠️ The certificate ends in {(end - now).TotalDays:0} days";
        }
    }
}
