using ClusterMesh.Datapath.Cli.Text;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Cli.Tests;

/// <summary>cmesh policy list and cmesh policy explain.</summary>
public sealed class PolicyTextTests
{
    [Fact]
    public void Policies_in_a_table() => Assert.Equal(
    [
        "NAME                 KIND                  SELECTOR      DEFAULT DENY     RULES   ENDPOINTS",
        "cnp/default/web      CiliumNetworkPolicy   any:app=web   ingress,egress   2       default/webpod-1",
        "netpol/default/all   -                     (all)         -                0       -",
    ],
    RowTexts.Policy.Format([new PolicyRow("netpol/default/all", "", "", [], 0, []), new PolicyRow("cnp/default/web", "CiliumNetworkPolicy", "any:app=web", ["ingress", "egress"], 2, ["default/webpod-1"])]));

    [Fact]
    public void An_explanation_names_the_rule() => Assert.Equal(
    [
        "From:     10.1.1.3, identity 131372 (k8s:app=curl)",
        "To:       default/webpod-1 10.0.1.14, identity 65837 port 80/TCP",
        "Egress:   the sender is not on this node: its own node decides",
        "Ingress:  denied: a deny rule of cnp/default/web matches, and deny wins (181 Policy denied by denylist) (match L3-L4)",
        "          deny cnp/default/web: labels any:app=curl, 80/TCP (web.yaml:12: spec.ingressDeny[0])",
        "Verdict:  denied",
    ],
    PolicyText.Explain(new ExplainResult(
        new ExplainPeer("10.1.1.3", "", 131372, ["k8s:app=curl"]), new ExplainPeer("10.0.1.14", "default/webpod-1", 65837, []), "80/TCP", "denied", null,
        new ExplainSide("denied", "L3-L4", "a deny rule of cnp/default/web matches, and deny wins (181 Policy denied by denylist)",
            [new ExplainRule("cnp/default/web", "deny", "labels any:app=curl", "80/TCP", "web.yaml:12: spec.ingressDeny[0]")]))));
}
