using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>ip-masq-agent's file by Cilium's rules: what each text exempts, and what is refused.</summary>
public sealed class IpMasqAgentFileTests
{
    private const string Defaults =
        "10.0.0.0/8 100.64.0.0/10 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4";

    public static TheoryData<string, bool, string> Texts => new()
    {
        { "", false, Defaults },
        { "", true, Defaults + " fe80::/10" },
        { "{}", false, "169.254.0.0/16" },
        { " \n# nothing yet\n", true, "169.254.0.0/16 fe80::/10" },
        { "nonMasqueradeCIDRs:\n- 10.1.0.0/16\n", false, "10.1.0.0/16 169.254.0.0/16" },
        { "nonMasqueradeCIDRs: [10.1.2.3/16, 10.1.0.0/16]\nmasqLinkLocal: true", false, "10.1.0.0/16" },
        { "{\"nonMasqueradeCIDRs\": [\"fd00:1::7/32\"], \"masqLinkLocalIPv6\": true}", true, "169.254.0.0/16 fd00:1::/32" },
        { "NONMASQUERADECIDRS: [10.1.0.0/16]\nMasqLinkLocal: true\nresyncInterval: 60s\n", false, "10.1.0.0/16" },
        { "nonMasqueradeCIDRs:\nmasqLinkLocal:\n", false, "169.254.0.0/16" },
        { "---\nnonMasqueradeCIDRs: []\n", false, "169.254.0.0/16" },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void A_text_exempts(string text, bool usesIpv6, string wanted) =>
        Assert.Equal(wanted, string.Join(' ', IpMasqAgentFile.Parse("masq", text, usesIpv6)));

    [Theory]
    [InlineData("nonMasqueradeCIDRs: [10.1.0.0]", "masq:1: nonMasqueradeCIDRs[0]: '10.1.0.0' has no prefix length; add one, as in '10.1.0.0/24'")]
    [InlineData("\nnonMasqueradeCIDRs: 10.1.0.0/16", "masq:2: nonMasqueradeCIDRs: expected a list of CIDRs such as [10.0.0.0/8]")]
    [InlineData("masqLinkLocal: yes", "masq:1: masqLinkLocal: expected true or false")]
    [InlineData("- 10.1.0.0/16", "masq:1: nonMasqueradeCIDRs: expected fields such as 'nonMasqueradeCIDRs: [10.0.0.0/8]'")]
    [InlineData("nonMasqueradeCIDRs: [10.1.0.0/16", "masq:2: this is not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'; check indentation, colons, quotes and brackets here and just above")]
    public void A_mistake_is_said_in_one_sentence(string text, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<ConfigurationException>(() => IpMasqAgentFile.Parse("masq", text, usesIpv6: false)).Message);

    [Fact]
    public void With_it_the_node_file_has_no_exemptions_and_no_assumed_native_CIDR()
    {
        string path = Path.Combine(Path.GetTempPath(), $"no-such-file-{Guid.NewGuid():n}");
        string text = $"node: {{name: a, addresses: [172.18.0.5/16], podCIDRs: [10.0.1.0/24]}}\nflows: {{ipMasqAgentConfigPath: {path}}}\n";
        NodeFile file = NodeFile.Parse("x.yaml", text);
        Assert.Empty(file.Local.NativeRoutingCidrs);
        Assert.Equal(Defaults, string.Join(' ', file.Initial.Masquerade!.NonMasqueradeCidrs));
        Assert.Equal(
            $"x.yaml:3: masquerade: the exemptions come from '{path}' (flows.ipMasqAgentConfigPath); write them there",
            Assert.Throws<ConfigurationException>(() => NodeFile.Parse("x.yaml", text + "masquerade: {nonMasqueradeCIDRs: [10.1.0.0/16]}\n")).Message);
        NodeFile given = NodeFile.Parse("x.yaml", text + "routing: {ipv4NativeRoutingCIDR: 10.0.0.0/16}\n");
        Assert.Equal("10.0.0.0/16", string.Join(' ', given.Local.NativeRoutingCidrs));
    }
}
