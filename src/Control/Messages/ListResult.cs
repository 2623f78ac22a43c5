using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Messages;

/// <summary>A page of rows; <paramref name="Next"/> is the cursor of the following page, null at the end.</summary>
public sealed record ListResult<TRow>(
    long Version, IReadOnlyList<TRow> Items, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Next = null);
