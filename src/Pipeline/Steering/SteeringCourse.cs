namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Whom a packet's flow may belong to.</summary>
/// <param name="First">Who is asked first, and has it, known or not, when it is the same as <paramref name="Second"/>.</param>
/// <param name="Second">Who is asked when the first does not know it.</param>
/// <param name="Settled">Who takes it when neither does: one of the two.</param>
/// <param name="ByMapping">The first knows it by an SNAT mapping, not by conntrack.</param>
public readonly record struct SteeringCourse(int First, int Second, int Settled, bool ByMapping = false)
{
    /// <summary>Nobody but this worker can have it.</summary>
    public static SteeringCourse To(int worker) => new(worker, worker, worker);

    public bool IsCertain => First == Second;
}
