namespace ClusterMesh.Datapath.Benchmarks.Report;

/// <summary>What is wanted of a figure and whether the median meets it. <see cref="Of"/>: see <see cref="Figure.TargetsFor"/>.</summary>
internal sealed record Target(string Of, bool AtLeast, double Bound, bool IsMet)
{
    public override string ToString() => $"{(AtLeast ? ">=" : "<=")} {Spread.Digits(Bound)}{Words}: {(IsMet ? "met" : "NOT MET")}";

    private string Words => Of switch
    {
        "most" => "",
        "size" => " of 1 service",
        "unobserved" => " of nobody listening",
        _ => $" of {Of}",
    };
}
