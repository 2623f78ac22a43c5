using System.Text.RegularExpressions;

namespace ClusterMesh.Datapath.Mesh.Identities;

/// <summary>
/// Which of a pod's labels make its identity: Cilium's default filter (pkg/labelsfilter). Labels that differ from pod to pod would give
/// each pod an identity of its own. The longer match of the two lists decides, with equal ones
/// the label counts; so it does when neither matches.
/// </summary>
public static partial class LabelFilter
{
    public static bool Counts(string key)
    {
        int ignored = Ignored().Match(key).Length;
        return ignored == 0 || Included().Match(key).Length >= ignored;
    }

    [GeneratedRegex(@"\A(?:io\.kubernetes\.pod\.namespace|io\.cilium\.k8s\.namespace\.labels|io\.cilium\.k8s\.policy|app\.kubernetes\.io)")]
    private static partial Regex Included();

    [GeneratedRegex(
        @"\A(?:statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index|batch\.kubernetes\.io/(?:job-completion-index|controller-uid)|.*beta\.kubernetes\.io"
        + @"|io\.kubernetes|kubernetes\.io|.*\.kubernetes\.io|k8s\.io|pod-template-generation|pod-template-hash|controller-revision-hash|annotation.*|controller-uid|etcd_node)")]
    private static partial Regex Ignored();
}
