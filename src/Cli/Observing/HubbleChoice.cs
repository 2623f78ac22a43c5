using System.CommandLine;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Observe;
using ClusterMesh.Datapath.Observe.Hubble.Observers;
using ClusterMesh.Datapath.Observe.Relay;
using Grpc.Core;

namespace ClusterMesh.Datapath.Cli.Observing;

/// <summary>Which observer a command asks: --server, else that of a node that is given, else HUBBLE_SERVER, else that of the only node.</summary>
internal sealed class HubbleChoice(Screen screen, NodeChoice nodes)
{
    private const string SocketName = "hubble.sock";
    private const string TlsScheme = "tls://";

    private readonly Option<string?> _server = new("--server") { Description = "Where Hubble's API is: unix:///path, host:port or tls://host:port. A relay shows all nodes.", HelpName = "ADDRESS" };
    private readonly Option<string?> _authority = new("--tls-ca-cert-files") { Description = "Authority of the server's certificate (PEM).", HelpName = "FILE" };
    private readonly Option<string?> _certificate = new("--tls-client-cert-file") { Description = "Our certificate (PEM).", HelpName = "FILE" };
    private readonly Option<string?> _key = new("--tls-client-key-file") { Description = "Its key (PEM).", HelpName = "FILE" };
    private readonly Option<string?> _name = new("--tls-server-name") { Description = "The name that the server's certificate must have.", HelpName = "NAME" };

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_server, _authority, _certificate, _key, _name])
        {
            command.Add(option);
        }

        nodes.AddTo(command);
    }

    /// <summary>Connecting is left to the first call; say <see cref="Explain"/> of its failure.</summary>
    public (PeerConnections Connections, Observer.ObserverClient Observer, string Address) Open(ParseResult parsed)
    {
        string address = AddressOf(parsed);
        bool hasTls = address.StartsWith(TlsScheme, StringComparison.Ordinal);
        string plain = hasTls ? address[TlsScheme.Length..] : address;
        string? name = hasTls ? parsed.GetValue(_name) ?? plain[..plain.LastIndexOf(':')] : null;
        if (plain.StartsWith("unix://", StringComparison.Ordinal) && !File.Exists(plain["unix://".Length..]))
        {
            throw new ControlConnectionException($"{plain["unix://".Length..]}: there is no such socket; start the node's agent (cmesh-agent), or give --server ADDRESS");
        }

        PeerConnections connections = new(new RelaySettings { Tls = hasTls ? _ => TlsOf(parsed, name!) : null });
        return (connections, connections.Of(new PeerNode(address, plain, name)), address);
    }

    /// <summary>What went wrong with a call, in one sentence.</summary>
    public static Exception Explain(RpcException fault, string address) => fault.StatusCode switch
    {
        StatusCode.InvalidArgument => new UsageException(fault.Status.Detail),
        StatusCode.Unavailable => new ControlConnectionException($"{address}: no observer answers there ({fault.Status.Detail.TrimEnd('.')}); is the node's agent running?", fault),
        _ => new ControlConnectionException($"{address}: {fault.Status.Detail.TrimEnd('.')} ({fault.StatusCode})", fault),
    };

    private string AddressOf(ParseResult parsed)
    {
        string? server = parsed.GetValue(_server) ?? (!nodes.IsGiven(parsed) && screen.Environment("HUBBLE_SERVER") is { Length: > 0 } named ? named : null);
        string? mistake = server is null || server.StartsWith("unix:///", StringComparison.Ordinal) || server.LastIndexOf(':') is > 0 and int colon && ushort.TryParse(server[(colon + 1)..], out _)
            ? null
            : $"--server: '{server}' is no address; give unix:///path, host:port or tls://host:port";
        return mistake is null ? server ?? $"unix://{nodes.SocketBeside(parsed, SocketName)}" : throw new UsageException(mistake);
    }

    private SslClientAuthenticationOptions TlsOf(ParseResult parsed, string name)
    {
        try
        {
            X509Certificate2Collection authorities = [];
            if (parsed.GetValue(_authority) is { } file)
            {
                authorities.ImportFromPemFile(file);
            }

            X509Certificate2Collection own = [];
            if (parsed.GetValue(_certificate) is { } certificate)
            {
                using X509Certificate2 pem = X509Certificate2.CreateFromPemFile(certificate, parsed.GetValue(_key));
                own.Add(X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null));
            }

            return new SslClientAuthenticationOptions
            {
                TargetHost = name,
                ClientCertificates = own,
                CertificateChainPolicy = authorities.Count == 0 ? null : PolicyOf(authorities),
            };
        }
        catch (Exception fault) when (fault is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"the certificates cannot be read ({fault.Message.TrimEnd('.')})");
        }
    }

    private static X509ChainPolicy PolicyOf(X509Certificate2Collection authorities)
    {
        X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
