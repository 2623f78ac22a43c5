using ClusterMesh.Datapath.Control;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Agent.Observing;

/// <summary>Asks the forwarder for its lists when somebody asks the agent. A forwarder that is away has none.</summary>
internal sealed class ForwarderFigures(string socket)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    /// <summary>Null when the forwarder does not answer. Called on a thread that may wait.</summary>
    public T? Ask<T>(Func<ControlClient, Task<T>> question)
        where T : class
    {
        return AskAsync(question).GetAwaiter().GetResult();
    }

    /// <summary>All rows of a kind; none when the forwarder does not answer.</summary>
    public List<TRow> List<TRow>(ControlKind<TRow> kind) => Ask(async client =>
    {
        List<TRow> rows = [];
        await foreach (TRow row in client.ListAsync(kind))
        {
            rows.Add(row);
        }

        return rows;
    }) ?? [];

    public StatusReport? Status() => Ask(client => client.GetStatusAsync());

    private async Task<T?> AskAsync<T>(Func<ControlClient, Task<T>> question)
        where T : class
    {
        try
        {
            await using ControlClient client = await ControlClient.ConnectAsync(socket, s_patience);
            return await question(client);
        }
        catch (Exception fault) when (fault is ControlConnectionException or ControlException)
        {
            return null;
        }
    }
}
