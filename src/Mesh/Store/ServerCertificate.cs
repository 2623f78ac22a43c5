using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ClusterMesh.Datapath.Mesh.Store;

/// <summary>Whether a server's certificate is the right one, and the sentence why not: name, time, and who signed it.</summary>
public static class ServerCertificate
{
    /// <summary>Null when it is well.</summary>
    /// <param name="built">As the handshake gives it: with what the server has sent besides.</param>
    public static string? Check(EtcdSettings settings, X509Certificate2? certificate, X509Chain? built, SslPolicyErrors errors)
    {
        if (certificate is null)
        {
            return "the server shows no certificate";
        }

        if (settings.TrustedCaFile is null)
        {
            return "no trusted-ca-file is given; name the CA that signed the server's certificate";
        }

        X509Certificate2Collection trusted = [];
        try
        {
            trusted.ImportFromPemFile(settings.TrustedCaFile);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return $"the trusted CA {settings.TrustedCaFile} cannot be read ({fault.Message.TrimEnd('.')})";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return $"the server's certificate {certificate.Subject} is not for this name; look at its subject alternative names ({NamesOf(certificate)})";
        }

        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(trusted);
        foreach (X509ChainElement sent in built?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            chain.ChainPolicy.ExtraStore.Add(sent.Certificate);
        }

        if (chain.Build(certificate))
        {
            return null;
        }

        X509ChainStatusFlags status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, s) => all | s.Status);
        return status.HasFlag(X509ChainStatusFlags.NotTimeValid)
            ? $"the server's certificate {certificate.Subject} holds from {certificate.NotBefore:u} to {certificate.NotAfter:u}, not now"
            : $"the server's certificate {certificate.Subject} is not signed by {settings.TrustedCaFile} ({status})";
    }
    /// <summary>The names and addresses that a certificate is for.</summary>
    public static string NamesOf(X509Certificate2 certificate)
    {
        X509SubjectAlternativeNameExtension? names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        return names is null ? "it has none" : string.Join(", ", [.. names.EnumerateDnsNames(), .. names.EnumerateIPAddresses().Select(a => a.ToString())]);
    }
}
