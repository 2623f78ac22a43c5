namespace ClusterMesh.Datapath.Wire;

/// <summary>IEEE EtherTypes that the datapath tells apart.</summary>
public enum EtherType : ushort
{
    /// <summary>The least value that is a type; smaller ones are 802.3 lengths.</summary>
    FirstType = 0x0600,
    Ipv4 = 0x0800,
    Arp = 0x0806,

    /// <summary>802.1Q tag.</summary>
    Vlan = 0x8100,
    Ipv6 = 0x86DD,

    /// <summary>802.1ad service tag.</summary>
    ServiceVlan = 0x88A8,
}
