using Microsoft.Extensions.Time.Testing;

namespace ClusterMesh.Datapath.Mesh.Tests;

/// <summary>A clock whose time of day somebody sets, while timers and measured times go on as they were.</summary>
internal sealed class JumpingTime(FakeTimeProvider steady) : TimeProvider
{
    public TimeSpan Jump { get; set; }

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => steady.TimestampFrequency;

    public override DateTimeOffset GetUtcNow() => steady.GetUtcNow() + Jump;

    public override long GetTimestamp() => steady.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => steady.CreateTimer(callback, state, dueTime, period);
}
