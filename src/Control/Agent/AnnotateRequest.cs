namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>Parameters of <c>annotate</c>; an empty value removes the annotation.</summary>
public sealed record AnnotateRequest(string Service, IReadOnlyDictionary<string, string> Annotations, bool Overwrite);
