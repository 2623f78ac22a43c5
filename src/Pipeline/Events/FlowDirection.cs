namespace ClusterMesh.Datapath.Pipeline.Events;

/// <summary>Of the connection, seen from the endpoint of this node, by Hubble's numbers (flow.proto, TrafficDirection).</summary>
public enum FlowDirection : byte
{
    Unknown = 0,
    Ingress = 1,
    Egress = 2,
}
