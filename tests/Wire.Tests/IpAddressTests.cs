namespace ClusterMesh.Datapath.Wire.Tests;

public sealed class IpAddressTests
{
    [Theory]
    [InlineData("10.0.1.105")]
    [InlineData("0.0.0.0")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("fe80::1")]
    [InlineData("2001:db8::10:0:1")]
    public void Text_round_trips(string text) => Assert.Equal(text, IpAddress.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("10.1")]
    [InlineData("010.0.0.1")]
    [InlineData("0x0a000001")]
    [InlineData("10.0.0.256")]
    [InlineData("fe80::1%eth0")]
    [InlineData("[::1]")]
    public void Ambiguous_text_is_refused(string text) => Assert.False(IpAddress.TryParse(text, out _));

    [Fact]
    public void Ipv4_is_held_mapped() => Assert.Equal(IpAddress.Parse("::ffff:10.0.0.1"), IpAddress.Parse("10.0.0.1"));

    [Theory]
    [InlineData("10.0.0.0/8", "10.255.0.1", true)]
    [InlineData("10.0.0.0/8", "11.0.0.0", false)]
    [InlineData("0.0.0.0/0", "1.2.3.4", true)]
    [InlineData("0.0.0.0/0", "fd00::1", false)]
    [InlineData("::/0", "1.2.3.4", false)]
    [InlineData("fd00::/8", "fdff::1", true)]
    public void A_prefix_contains_its_own_family_only(string prefix, string address, bool contained) =>
        Assert.Equal(contained, IpPrefix.Parse(prefix).Contains(IpAddress.Parse(address)));

    [Theory]
    [InlineData("10.0.0.1/8")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/ 8")]
    [InlineData("fd00::1/64")]
    public void A_prefix_with_host_bits_or_a_bad_length_is_refused(string text) => Assert.False(IpPrefix.TryParse(text, out _));
}
