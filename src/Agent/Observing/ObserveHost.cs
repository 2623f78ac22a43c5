using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Observe;
using ClusterMesh.Datapath.Observe.AgentApi;
using ClusterMesh.Datapath.Observe.Metrics;
using ClusterMesh.Datapath.Observe.Page;
using ClusterMesh.Datapath.Observe.Relay;
using ClusterMesh.Datapath.Observe.Store;
using ClusterMesh.Datapath.State;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>
/// What the agent serves of what the node sees: Hubble's API, a relay, the agent's REST API and metrics, each on sockets of its own, and behind
/// them the flow store with its collector and its names.
/// </summary>
internal sealed class ObserveHost : IAsyncDisposable
{
    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Of each API: clients that never say a word must not take the files that the agent needs. Further ones are closed as they come.</summary>
    private const int MostConnections = 128;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly AgentRuntime _agent;
    private readonly ObserveSettings _settings;
    private readonly TimeProvider _time;
    private readonly Action<string> _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<WebApplication> _applications = [];
    private readonly List<Task> _running = [];
    private readonly PeerList _peers = new();
    private readonly string _version;
    private FlowCollector? _collector;
    private X509Certificate2? _certificate;
    private X509Certificate2Collection _authorities = [];

    private ObserveHost(AgentRuntime agent, string version, TimeProvider time, Action<string> log)
    {
        (_agent, _settings, _version, _time, _log) = (agent, agent.Settings.Observe, version, time, log);
        Store = new FlowStore(_settings.FlowCapacity, time);
        Figures = new ForwarderFigures(agent.Settings.ForwarderSocket);
    }

    public FlowStore Store { get; }

    public ForwarderFigures Figures { get; }

    /// <summary>Null while flow events come.</summary>
    public string? Problem => _collector?.Problem;

    /// <exception cref="ControlConnectionException">A socket could not be had.</exception>
    /// <exception cref="ConfigurationException">A certificate cannot be read.</exception>
    public static async Task<ObserveHost> StartAsync(AgentRuntime agent, string version, TimeProvider time, Action<string> log)
    {
        var host = new ObserveHost(agent, version, time, log);
        try
        {
            await host.StartAsync();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (WebApplication application in _applications)
        {
            using CancellationTokenSource patience = new(s_patience);
            await application.StopAsync(patience.Token);
            await application.DisposeAsync();
        }

        await Task.WhenAll(_running).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        _collector?.Dispose();
        _certificate?.Dispose();
        _stop.Dispose();
    }

    private async Task StartAsync()
    {
        ReadCertificates();
        AgentSettings agent = _agent.Settings;
        ObserverNode node = new(agent.Cluster, agent.Node, _version)
        {
            Address = _settings.HubbleEndpoint?.ToString() ?? $"unix://{_settings.HubbleSocket}",
            Labels = [.. agent.Labels.Select(l => $"{l.Key}={l.Value}").Order(StringComparer.Ordinal)],
        };
        await ServeAsync([_settings.HubbleSocket], _settings.HubbleEndpoint, HttpProtocols.Http2, _settings.Tls is not null,
            services => services.AddSingleton(_time).AddHubble(Store, node, _peers), web => web.MapHubble());
        if (_settings.RelaySocket is not null || _settings.RelayEndpoint is not null)
        {
            RelaySettings relay = new() { Name = $"{agent.Cluster}/{agent.Node}", Version = _version, Tls = _settings.Tls is null ? null : ClientOptions };
            await ServeAsync(_settings.RelaySocket is { } path ? [path] : [], _settings.RelayEndpoint, HttpProtocols.Http2, _settings.Tls is not null,
                services => services.AddSingleton(_time).AddHubbleRelay(_peers, relay), web => web.MapHubbleRelay());
        }

        var states = new AgentStates(_agent, this);
        var metrics = new MetricsStates(_agent, this);
        await ServeAsync([_settings.ApiSocket], null, HttpProtocols.Http1, false, _ => { }, web => web.MapAgentApi(states.Read).MapMetrics(metrics.Read));
        if (_settings.MetricsEndpoint is not null)
        {
            await ServeAsync([], _settings.MetricsEndpoint, HttpProtocols.Http1, false, _ => { }, web => web.MapMetrics(metrics.Read));
        }

        if (_settings.PageEndpoint is not null)
        {
            var pages = new PageStates(_agent, states, new MetricsStates(_agent, this), _version);
            await ServeAsync([], _settings.PageEndpoint, HttpProtocols.Http1, false, _ => { }, web => web.MapPage(Store, node, pages.Read, _time));
        }

        _collector = new FlowCollector(_settings.EventsSocket, _settings.Detail, Store, _time, _log);
        _running.Add(new NameKeeper(_agent, Store, _time).RunAsync(_stop.Token));
        _running.Add(new PeerKeeper(_agent, _settings, _peers, _time).RunAsync(_stop.Token));
    }

    /// <summary>A program of its own for each API: two of them may have the same names.</summary>
    private async Task ServeAsync(
        string[] sockets, IPEndPoint? endpoint, HttpProtocols protocols, bool hasTls, Action<IServiceCollection> services, Action<WebApplication> map)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        foreach (string socket in sockets)
        {
            MakeRoom(socket);
        }

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = MostConnections;
            foreach (string socket in sockets)
            {
                kestrel.ListenUnixSocket(socket, listen => listen.Protocols = protocols);
            }

            if (endpoint is not null)
            {
                kestrel.Listen(endpoint, listen =>
                {
                    listen.Protocols = protocols;
                    if (hasTls)
                    {
                        listen.UseHttps(ServerOptions());
                    }
                });
            }
        });
        if (hasTls)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        services(builder.Services);
        WebApplication application = builder.Build();
        map(application);
        _applications.Add(application);
        try
        {
            await application.StartAsync(_stop.Token);
        }
        catch (Exception fault) when (fault is IOException or SocketException or UnauthorizedAccessException)
        {
            throw new ControlConnectionException(
                $"{string.Join(", ", sockets.Append(endpoint?.ToString() ?? "").Where(s => s.Length > 0))}: cannot listen there ({fault.Message}); give another place in the agent's file", fault);
        }

        foreach (string socket in sockets)
        {
            File.SetUnixFileMode(socket, SocketMode);
        }
    }

    private static void MakeRoom(string path)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            if (!File.Exists(path))
            {
                return;
            }

            using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                probe.Connect(new UnixDomainSocketEndPoint(path));
            }
            catch (SocketException)
            {
                File.Delete(path); // Of an agent that was killed.
                return;
            }
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ControlConnectionException($"{path}: cannot listen there ({fault.Message}); give another socket or run with more rights", fault);
        }

        throw new ControlConnectionException($"another agent answers on {path}; stop it or give another socket");
    }

    private void ReadCertificates()
    {
        if (_settings.Tls is not { } tls)
        {
            return;
        }

        try
        {
            using X509Certificate2 pem = X509Certificate2.CreateFromPemFile(tls.Certificate, tls.Key);
            _certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            _authorities.ImportFromPemFile(tls.Authority);
        }
        catch (Exception fault) when (fault is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"observe.tls: the certificates cannot be read ({fault.Message.TrimEnd('.')}); give cert, key and ca as PEM files");
        }
    }

    /// <summary>As Hubble's servers: whoever asks must show a certificate of the same authority.</summary>
    private HttpsConnectionAdapterOptions ServerOptions() => new()
    {
        ServerCertificate = _certificate,
        ClientCertificateMode = ClientCertificateMode.RequireCertificate,
        ClientCertificateValidation = (certificate, _, _) => IsOurs(certificate),
    };

    private SslClientAuthenticationOptions ClientOptions(PeerNode peer) => new()
    {
        TargetHost = peer.TlsServerName,
        ClientCertificates = [_certificate!],
        RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
            (errors & SslPolicyErrors.RemoteCertificateNameMismatch) == 0 && certificate is X509Certificate2 shown && IsOurs(shown),
    };

    private bool IsOurs(X509Certificate2 certificate)
    {
        using X509Chain chain = new();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(certificate);
    }
}
