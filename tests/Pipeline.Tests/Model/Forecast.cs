using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline.Tests.Model;

/// <summary>What a packet may meet: a drop, or one of some backends.</summary>
/// <param name="Side">The frontend, as choices and sessions know it.</param>
/// <param name="IsNew">It chooses, rather than keeps.</param>
internal sealed record Forecast(DropReason Reason, IReadOnlyList<IpAddress> Backends, string Side, bool IsNew)
{
    public static Forecast Dropped(DropReason reason) => new(reason, [], "", false);

    public static Forecast Of(IReadOnlyList<IpAddress> backends, string side, bool isNew) => new(DropReason.None, backends, side, isNew);
}
