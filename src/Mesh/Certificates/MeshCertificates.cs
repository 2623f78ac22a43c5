using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ClusterMesh.Datapath.Mesh.Certificates;

/// <summary>
/// The certificates of a mesh: one CA that all clusters share, a server certificate for each cluster's etcd, client certificates for those
/// who read it. P-256 keys; files are PEM, keys readable by their owner only.
/// </summary>
public static class MeshCertificates
{
    public static readonly TimeSpan CaLifetime = TimeSpan.FromDays(3 * 365);
    public static readonly TimeSpan LeafLifetime = TimeSpan.FromDays(3 * 365);

    /// <summary>Clocks of machines differ; a certificate made now must hold on the others too.</summary>
    private static readonly TimeSpan s_skew = TimeSpan.FromHours(1);

    /// <summary>User name of other clusters' agents in a cluster's etcd, with the authentication mode <c>legacy</c>.</summary>
    public const string RemoteUser = "remote";

    /// <summary>User name of who publishes.</summary>
    public const string AdminUser = "root";

    /// <summary>A new CA with its key. Dispose it.</summary>
    public static X509Certificate2 CreateCa(DateTimeOffset now)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=Cilium CA, O=cmesh", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign | X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now - s_skew, now + CaLifetime);
    }

    /// <summary>For a cluster's etcd: the names of Cilium's clustermesh-apiserver, loopback, and what is added.</summary>
    public static X509Certificate2 CreateServer(X509Certificate2 ca, DateTimeOffset now, string @namespace = "kube-system", IEnumerable<IPAddress>? addresses = null)
    {
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("clustermesh-apiserver.cilium.io");
        names.AddDnsName("*.mesh.cilium.io");
        names.AddDnsName($"clustermesh-apiserver.{@namespace}.svc");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        foreach (IPAddress address in addresses ?? [])
        {
            names.AddIpAddress(address);
        }

        // etcd's gateway is a client of its own server with the same certificate.
        return CreateLeaf(ca, "clustermesh-apiserver.cilium.io", now, names.Build(), "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2");
    }

    /// <summary>For a client; etcd takes the common name for the user.</summary>
    public static X509Certificate2 CreateClient(X509Certificate2 ca, string user, DateTimeOffset now) => CreateLeaf(ca, user, now, null, "1.3.6.1.5.5.7.3.2");

    /// <summary>Writes certificate and key beside each other, each whole or not at all.</summary>
    public static void Write(X509Certificate2 certificate, string certFile, string keyFile)
    {
        using ECDsa key = certificate.GetECDsaPrivateKey() ?? throw new ArgumentException("the certificate has no private key", nameof(certificate));
        WriteFile(keyFile, key.ExportPkcs8PrivateKeyPem() + "\n", secret: true);
        WriteFile(certFile, certificate.ExportCertificatePem() + "\n", secret: false);
    }

    /// <exception cref="CryptographicException">The files are no certificate with its key.</exception>
    /// <exception cref="IOException">They cannot be read.</exception>
    public static X509Certificate2 Read(string certFile, string keyFile) => X509Certificate2.CreateFromPemFile(certFile, keyFile);

    private static X509Certificate2 CreateLeaf(X509Certificate2 ca, string name, DateTimeOffset now, X509Extension? names, params string[] usages)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X500DistinguishedNameBuilder subject = new();
        subject.AddCommonName(name);
        CertificateRequest request = new(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. usages.Select(u => new Oid(u))], false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(ca, true, false));
        if (names is not null)
        {
            request.CertificateExtensions.Add(names);
        }

        // Not outside the time of who vouches for it.
        DateTimeOffset begin = now - s_skew;
        DateTimeOffset first = new(ca.NotBefore.ToUniversalTime());
        DateTimeOffset end = now + LeafLifetime;
        DateTimeOffset last = new(ca.NotAfter.ToUniversalTime());
        Span<byte> serial = stackalloc byte[16];
        RandomNumberGenerator.Fill(serial);
        serial[0] &= 0x7F;
        using X509Certificate2 signed = request.Create(ca, begin > first ? begin : first, end < last ? end : last, serial);
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>Writes a file whole or not at all.</summary>
    /// <param name="secret">Only its owner may read it.</param>
    public static void WriteFile(string path, string text, bool secret)
    {
        string temporary = path + ".new";
        FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = secret
                ? UnixFileMode.UserRead | UnixFileMode.UserWrite
                : UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        }

        using (StreamWriter writer = new(temporary, options))
        {
            writer.Write(text);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
