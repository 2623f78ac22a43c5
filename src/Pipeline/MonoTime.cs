namespace ClusterMesh.Datapath.Pipeline;

/// <summary>A moment on a clock that never goes back, in nanoseconds since some start. Read once a burst and handed in.</summary>
public readonly record struct MonoTime(long Nanoseconds)
{
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>Whole seconds: the grain of flow timers.</summary>
    public uint Seconds => (uint)(Nanoseconds / NanosecondsPerSecond);

    public static MonoTime FromSeconds(double seconds) => new((long)(seconds * NanosecondsPerSecond));

    public MonoTime PlusSeconds(double seconds) => new(Nanoseconds + (long)(seconds * NanosecondsPerSecond));
}
