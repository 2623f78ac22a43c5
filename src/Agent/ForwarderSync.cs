using System.Text.RegularExpressions;
using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;
using ClusterMesh.Datapath.Mesh.Store;

namespace ClusterMesh.Datapath.Agent;

/// <summary>
/// Keeps the forwarder what it should be: the whole configuration after each connection, then what changes. A forwarder that restarts is
/// noticed by its closed socket and told everything again. An object that the forwarder refuses is left out and said; the others hold.
/// </summary>
/// <param name="make">The wanted configuration, from what the forwarder had at connection.</param>
/// <param name="identities">Who is behind which address: told apart, since it is much and changes often.</param>
/// <param name="nextChange">Completes when it may have changed.</param>
internal sealed partial class ForwarderSync(
    string socketPath, Func<NodeDocument, ChangeDocument> make, ForwarderIdentities identities, Func<Task> nextChange, TimeProvider time, Action<string> log)
{
    private const int MostRefused = 1_000;
    private static readonly TimeSpan s_answerTimeout = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_longestRest = TimeSpan.FromMilliseconds(250);

    private volatile string? _problem = "not connected yet";
    private long _version;

    /// <summary>Null while the forwarder has what it should.</summary>
    public string? Problem => _problem;

    /// <summary>The forwarder's configuration version after the last push.</summary>
    public long Version => Interlocked.Read(ref _version);

    /// <summary>One sentence each for what the forwarder did not take at the last whole push.</summary>
    public IReadOnlyList<string> Refused { get; private set; } = [];

    /// <summary>The forwarder's own settings, as of the last connection.</summary>
    public NodeDocument? Forwarder { get; private set; }

    /// <summary>Completes with the first configuration that the forwarder has taken.</summary>
    public TaskCompletionSource Pushed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the first configuration that the forwarder has taken, or when it could not be told.</summary>
    public TaskCompletionSource Tried { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async Task RunAsync(CancellationToken cancellation)
    {
        Backoff backoff = new(time, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2));
        while (true)
        {
            try
            {
                await ServeAsync(backoff, cancellation);
            }
            catch (Exception fault) when (fault is ControlConnectionException or ControlException)
            {
                if (_problem != fault.Message)
                {
                    log($"forwarder: {fault.Message}");
                }

                _problem = fault.Message;
                Tried.TrySetResult();
            }

            await backoff.WaitAsync(cancellation);
        }
    }

    private async Task ServeAsync(Backoff backoff, CancellationToken cancellation)
    {
        await using ControlClient client = await ControlClient.ConnectAsync(socketPath, s_answerTimeout, cancellation);
        NodeDocument restored = await client.GetConfigAsync(cancellation);
        Forwarder = restored;
        await identities.ReadAsync(client, cancellation);
        if (identities.IsUnknown)
        {
            log("forwarder: it is older and does not know identities; policies cannot hold there");
        }

        using CancellationTokenSource session = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task gone = FollowAsync(client, session.Token);
        ChangeDocument? pushed = null;
        try
        {
            while (true)
            {
                Task change = nextChange();
                long begin = time.GetTimestamp();
                ChangeDocument wanted = make(restored);
                if (identities.IsUnknown)
                {
                    wanted = wanted with { Policies = null };
                }

                // Before the policies that ask for them: nobody is shut out for want of a name.
                await identities.PushAsync(client, cancellation);
                ChangeDifference? difference = pushed is null ? null : ChangeDifference.Between(pushed, wanted);
                if (difference is not { IsEmpty: true })
                {
                    await PushAsync(client, difference, wanted, cancellation);
                    pushed = wanted;
                    _problem = null;
                    backoff.Reset();
                    Pushed.TrySetResult();
                    Tried.TrySetResult();
                }

                TimeSpan spent = time.GetElapsedTime(begin);
                await await Task.WhenAny(change.WaitAsync(cancellation), gone);
                // Changes that come in a row are taken together, so that a large mesh that comes up does not keep a processor busy with this.
                TimeSpan rest = (2 * spent) - time.GetElapsedTime(begin);
                if (rest > TimeSpan.Zero)
                {
                    await Task.Delay(rest < s_longestRest ? rest : s_longestRest, time, cancellation);
                }
            }
        }
        finally
        {
            await session.CancelAsync();
            await gone.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    /// <summary>Ends when the connection does.</summary>
    private static async Task FollowAsync(ControlClient client, CancellationToken cancellation)
    {
        await foreach (WatchEvent<MasqueradeRow> _ in client.WatchAsync(ControlKinds.Masquerade, cancellation: cancellation))
        {
        }

        throw new ControlConnectionException("the forwarder has closed the connection");
    }

    private async Task PushAsync(ControlClient client, ChangeDifference? difference, ChangeDocument wanted, CancellationToken cancellation)
    {
        if (difference is not null)
        {
            try
            {
                await PushDifferenceAsync(client, difference, wanted, cancellation);
                return;
            }
            catch (ControlException)
            {
                // Two changes may only hold together: a frontend that moves from one service to another. The whole is one change.
            }
        }

        ChangeDocument rest = wanted;
        List<string> left = [];
        for (int refused = 0; ; refused++)
        {
            try
            {
                Interlocked.Exchange(ref _version, (await client.ApplyAsync(ApplyMode.Replace, rest, cancellation)).Version);
                Refused = left;
                return;
            }
            catch (ControlException refusal) when (refusal.Code == ErrorCode.InvalidConfiguration && refused < MostRefused && Without(rest, refusal.Message) is ChangeDocument less)
            {
                log($"forwarder: refused and left out: {refusal.Message}");
                left.Add($"refused by the forwarder and left out: {refusal.Message}");
                rest = less;
            }
        }
    }

    private async Task PushDifferenceAsync(ControlClient client, ChangeDifference difference, ChangeDocument wanted, CancellationToken cancellation)
    {
        ChangeDocument change = new()
        {
            Nodes = difference.Nodes.Count > 0 ? difference.Nodes : null,
            Services = difference.Services.Count > 0 ? difference.Services : null,
            Policies = difference.Policies.Count > 0 ? difference.Policies : null,
            Masquerade = wanted.Masquerade,
        };
        ChangeResult result = await client.ApplyAsync(ApplyMode.Merge, change, cancellation);
        foreach ((string kind, IReadOnlyList<string> names) in ((string, IReadOnlyList<string>)[])[("service", difference.GoneServices), ("node", difference.GoneNodes), ("policy", difference.GonePolicies)])
        {
            result = names.Count > 0 ? await client.DeleteAsync(kind, names, cancellation) : result;
        }

        Interlocked.Exchange(ref _version, result.Version);
    }

    /// <summary>The document without the object that the refusal names by its path; null when it names none.</summary>
    private static ChangeDocument? Without(ChangeDocument document, string refusal)
    {
        Match named = ObjectPath().Match(refusal);
        if (!named.Success)
        {
            return null;
        }

        int index = int.Parse(named.Groups[2].ValueSpan);
        return named.Groups[1].Value switch
        {
            "services" => index < document.Services!.Count ? document with { Services = [.. document.Services.Where((_, i) => i != index)] } : null,
            "policies" => index < document.Policies!.Count ? document with { Policies = [.. document.Policies.Where((_, i) => i != index)] } : null,
            _ => index < document.Nodes!.Count ? document with { Nodes = [.. document.Nodes.Where((_, i) => i != index)] } : null,
        };
    }

    [GeneratedRegex(@"\b(services|nodes|policies)\[(\d{1,7})\]")]
    private static partial Regex ObjectPath();
}
