using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Io.Native;

/// <summary>A network interface as the kernel describes it.</summary>
/// <param name="Kind">tun, bridge, veth, …; empty for real hardware and lo.</param>
/// <param name="OperationalState">RFC 2863 section 3.1.14 in the kernel's numbers: 0 unknown (a TAP's normal state), 2 down, 6 up.</param>
/// <param name="MasterIndex">The bridge this is a port of; 0 for none.</param>
internal sealed record Link(string Name, int Index, bool IsUp, MacAddress Mac, int Mtu, string Kind, byte OperationalState, int MasterIndex);
