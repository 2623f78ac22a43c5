using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent.Checks;

/// <summary>
/// One try of an etcd endpoint, step by step: name, TCP, TLS with our certificate, and etcd's own HTTP answer, which needs no right and tells
/// the server's clock. In the lines of cilium-dbg troubleshoot clustermesh.
/// </summary>
internal sealed class EndpointProbe(Uri endpoint, EtcdSettings settings, TimeProvider time)
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    /// <summary>Clocks further apart are worth a word: certificates of two clusters are judged by both.</summary>
    private static readonly TimeSpan s_mostSkew = TimeSpan.FromSeconds(10);

    /// <summary>A certificate that ends sooner should be made anew.</summary>
    private static readonly TimeSpan s_renewal = TimeSpan.FromDays(30);
    private const int AnswerLengthLimit = 4096;

    private string? _mistake;
    private DateTimeOffset _serverEnd;

    /// <summary>The server wanted a certificate and got ours.</summary>
    public bool IsMutual { get; private set; }

    public async Task<IReadOnlyList<string>> RunAsync(CancellationToken cancellation)
    {
        List<string> lines = [];
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Limit);
        string step = "Cannot resolve hostname";
        try
        {
            IPAddress[] addresses = settings.HostAliases.TryGetValue(endpoint.Host, out IPAddress? alias)
                ? [alias]
                : await Dns.GetHostAddressesAsync(endpoint.Host, limit.Token);
            lines.Add($"✅ Hostname resolved to: {string.Join(", ", addresses.Select(a => a.ToString()))}");
            IPEndPoint server = new(addresses[0], endpoint.Port);
            step = $"Cannot establish TCP connection to {server}";
            using TcpClient client = new(addresses[0].AddressFamily);
            await client.ConnectAsync(addresses[0], endpoint.Port, limit.Token);
            lines.Add($"✅ TCP connection successfully established to {server}");
            Stream stream = client.GetStream();
            if (endpoint.Scheme == Uri.UriSchemeHttps)
            {
                step = $"Cannot establish TLS connection to {server}";
                SslStream tls = new(stream);
                stream = tls;
                await tls.AuthenticateAsClientAsync(TlsOptions(), limit.Token);
                IsMutual = tls.IsMutuallyAuthenticated;
                lines.Add($"✅ TLS connection successfully established to {server}");
                lines.Add($"ℹ️ Negotiated TLS version: TLS {(tls.SslProtocol == SslProtocols.Tls13 ? "1.3" : "1.2")}, ciphersuite {tls.NegotiatedCipherSuite}");
                if (_serverEnd - time.GetUtcNow() < s_renewal)
                {
                    lines.Add($"⚠️ The server's certificate ends {_serverEnd:u}; make a new one there with cmesh clustermesh enable");
                }
            }
            else
            {
                lines.Add("ℹ️ No TLS: the endpoint is http");
            }

            // From here on nothing is lost when it fails: TLS 1.3 refuses a client's certificate with the first answer.
            step = "No answer of etcd after the connection was made; does it take our certificate?";
            await using (stream)
            {
                lines.AddRange(Clock(await AskVersionAsync(stream, limit.Token)));
            }
        }
        catch (Exception fault) when (fault is SocketException or AuthenticationException or IOException or CryptographicException)
        {
            lines.Add($"❌ {step}: {_mistake ?? fault.Message.TrimEnd('.')}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            lines.Add($"❌ {step}: no answer within {Limit.TotalSeconds:0} s");
        }

        return lines;
    }

    private SslClientAuthenticationOptions TlsOptions() => new()
    {
        TargetHost = endpoint.Host,
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
        {
            _mistake = ServerCertificate.Check(settings, certificate as X509Certificate2, chain, errors);
            _serverEnd = certificate is X509Certificate2 known ? known.NotAfter.ToUniversalTime() : default;
            return _mistake is null;
        },
        ClientCertificates = settings is { CertFile: not null, KeyFile: not null } ? [X509Certificate2.CreateFromPemFile(settings.CertFile, settings.KeyFile)] : null,
        ApplicationProtocols = [SslApplicationProtocol.Http11],
    };

    private async Task<DateTimeOffset?> AskVersionAsync(Stream stream, CancellationToken cancellation)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET /version HTTP/1.1\r\nHost: {endpoint.Authority}\r\nConnection: close\r\n\r\n"), cancellation);
        byte[] answer = new byte[AnswerLengthLimit];
        int length = 0;
        while (length < answer.Length && await stream.ReadAsync(answer.AsMemory(length), cancellation) is int read and > 0)
        {
            length += read;
        }

        const string DateHeader = "Date: ";
        string? date = Encoding.ASCII.GetString(answer, 0, length).Split("\r\n").FirstOrDefault(l => l.StartsWith(DateHeader, StringComparison.OrdinalIgnoreCase))?[DateHeader.Length..];
        return DateTimeOffset.TryParseExact(date, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset told) ? told : null;
    }

    private IEnumerable<string> Clock(DateTimeOffset? told)
    {
        if (told is DateTimeOffset server)
        {
            TimeSpan ahead = server - time.GetUtcNow();
            yield return ahead.Duration() > s_mostSkew
                ? $"⚠️ {SkewText("the endpoint's machine", ahead)}"
                : "✅ Clocks agree";
        }
    }

    /// <summary>In whole seconds: HTTP's and the heartbeat's times have no finer.</summary>
    public static string SkewText(string whose, TimeSpan ahead) => string.Create(
        CultureInfo.InvariantCulture,
        $"the clock of {whose} is {Math.Abs(ahead.TotalSeconds):0} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} ours; certificates are judged by it: set both by NTP");

    /// <summary>True when a clock is so far from ours that it should be said.</summary>
    public static bool IsSkewed(TimeSpan ahead) => ahead.Duration() > s_mostSkew;
}
