using System.Text.Json;
using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>A kind that the server can list and watch, whatever its rows are.</summary>
internal abstract class ListedKind(string name, bool live)
{
    /// <summary>Rows that a watch asks for at once.</summary>
    protected const int WatchPageLength = 1_000;

    public string Name { get; } = name;

    public bool Live { get; } = live;

    public abstract ValueTask<Answer> ListAsync(ListRequest request, int pageLength, CancellationToken cancellation);

    /// <summary>Shows the subscription every row there is.</summary>
    public abstract ValueTask WalkAsync(Subscription subscription, CancellationToken cancellation);
}
