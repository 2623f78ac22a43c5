using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>The labels that make a pod's identity: those of its own that count, and where it is.</summary>
public static class PodLabels
{
    public static IdentityLabels Of(PodObject pod, string cluster)
    {
        Dictionary<string, string> labels = pod.Labels.Where(l => LabelFilter.Counts(l.Key)).ToDictionary(l => l.Key, l => l.Value);
        labels[IdentityLabels.ClusterLabel] = cluster;
        labels[IdentityLabels.ServiceAccountLabel] = pod.ServiceAccount;
        labels[IdentityLabels.NamespaceLabel] = pod.Namespace;
        return IdentityLabels.OfKubernetes(labels);
    }
}
