using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Pipeline;

/// <summary>Another node as the far end of a tunnel. Immutable.</summary>
/// <param name="Address">The outer destination.</param>
/// <param name="NextHop">By whom it is reached on the node network; unset while no route leads there.</param>
/// <param name="InnerMac">Destination of the inner frames, which only a kernel's vxlan device looks at.</param>
/// <param name="ClusterId">The sender's cluster, 0 when it is not known: whose identities it may speak for.</param>
/// <param name="Template">The outer headers; see <see cref="OuterHeaders.MakeTemplate"/>.</param>
public sealed record TunnelEndpoint(IpAddress Address, IpAddress NextHop, MacAddress InnerMac, int ClusterId, byte[] Template);
