namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Whom a packet's flow may belong to, in the order in which they are asked.</summary>
/// <param name="First">Has it, known or not, when all three are the same.</param>
/// <param name="Settled">Who takes it when none knows it: one of the three.</param>
/// <param name="ByMapping">The first knows it also by an SNAT mapping.</param>
/// <param name="ByFlow">The first knows it by conntrack, as the others do.</param>
public readonly record struct SteeringCourse(int First, int Second, int Third, int Settled, bool ByMapping = false, bool ByFlow = true)
{
    /// <summary>Nobody but one of them can have it.</summary>
    public bool IsCertain => First == Second && First == Third;

    public static SteeringCourse To(int worker) => new(worker, worker, worker, worker);
}
