namespace ClusterMesh.Datapath.Wire.Tests;

public sealed class FlowKeyTests
{
    private const int KeyCount = 10_000;

    /// <summary>
    /// Interface identifiers that once met the hash's own constants and made it forget the rest of the address: flows to any number of
    /// networks then lay in one chain of every table.
    /// </summary>
    [Theory]
    [InlineData(0x9E37_79B9_7F4A_7C15)]
    [InlineData(0xC2B2_AE3D_27D4_EB4F)]
    [InlineData(0x1656_67B1_9E37_79F9)]
    [InlineData(0)]
    public void No_choice_of_an_address_makes_flows_collide(ulong low)
    {
        const ulong Seed = 0x0123_4567_89AB_CDEF;
        var pod = IpAddress.Parse("fd00:10:0:1::105");
        var toMany = new HashSet<ulong>();
        var fromMany = new HashSet<ulong>();
        for (ulong i = 0; i < KeyCount; i++)
        {
            var other = new IpAddress(0x2001_0DB8_0000_0000 + i, low);
            toMany.Add(new FlowKey(pod, other, 40000, 53, IpProtocol.Udp).Hash(Seed));
            fromMany.Add(new FlowKey(other, pod, 40000, 53, IpProtocol.Udp).Hash(Seed));
        }

        Assert.Equal(KeyCount, toMany.Count);
        Assert.Equal(KeyCount, fromMany.Count);
    }
}
