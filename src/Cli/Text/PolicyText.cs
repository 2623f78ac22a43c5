using ClusterMesh.Datapath.Control.Messages;

namespace ClusterMesh.Datapath.Cli.Text;

/// <summary>What policies say, for people.</summary>
internal static class PolicyText
{
    public static IEnumerable<string> Explain(ExplainResult result)
    {
        yield return $"From:     {Peer(result.From)}";
        yield return $"To:       {Peer(result.To)} port {result.Port}";
        foreach (string line in Side("Egress:   ", result.Egress, "the sender"))
        {
            yield return line;
        }

        foreach (string line in Side("Ingress:  ", result.Ingress, "the receiver"))
        {
            yield return line;
        }

        yield return $"Verdict:  {result.Verdict}";
    }

    private static string Peer(ExplainPeer peer) =>
        $"{(peer.Endpoint.Length > 0 ? $"{peer.Endpoint} " : "")}{peer.Address}, identity {peer.Identity}{(peer.Labels.Count > 0 ? $" ({string.Join(", ", peer.Labels)})" : "")}";

    private static IEnumerable<string> Side(string title, ExplainSide? side, string whose)
    {
        if (side is null)
        {
            yield return $"{title}{whose} is not on this node: its own node decides";
            yield break;
        }

        yield return $"{title}{side.Verdict}: {side.Reason} (match {side.Match})";
        foreach (ExplainRule rule in side.Rules)
        {
            yield return $"          {rule.Action} {rule.Policy}: {rule.Peers}, {rule.Ports} ({rule.Source})";
        }
    }
}
