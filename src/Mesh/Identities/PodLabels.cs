using ClusterMesh.Datapath.Mesh.Objects;
using ClusterMesh.Datapath.Mesh.Schema;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>The labels that make a pod's identity: those of its own that count, where it is, and those of its namespace, if that is an object here.</summary>
public static class PodLabels
{
    /// <summary>Kubernetes gives it to every namespace.</summary>
    private const string NamespaceName = "kubernetes.io/metadata.name";

    public static IdentityLabels Of(PodObject pod, string cluster, LocalObjects objects)
    {
        Dictionary<string, string> labels = pod.Labels.Where(l => LabelFilter.Counts(l.Key)).ToDictionary(l => l.Key, l => l.Value);
        labels[IdentityLabels.ClusterLabel] = cluster;
        labels[IdentityLabels.ServiceAccountLabel] = pod.ServiceAccount;
        labels[IdentityLabels.NamespaceLabel] = pod.Namespace;
        if (objects.Namespaces.TryGetValue(pod.Namespace, out NamespaceObject? space))
        {
            foreach ((string key, string value) in space.Labels)
            {
                labels[IdentityLabels.NamespaceLabelPrefix + key] = value;
            }

            labels[IdentityLabels.NamespaceLabelPrefix + NamespaceName] = pod.Namespace;
        }

        return IdentityLabels.OfKubernetes(labels);
    }
}
