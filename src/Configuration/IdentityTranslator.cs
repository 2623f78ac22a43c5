using System.Globalization;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Pipeline;
using ClusterMesh.Datapath.State.Desired;
using ClusterMesh.Datapath.Wire;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>Entries of the ipcache and identities of a document -> their specs, and back.</summary>
internal static class IdentityTranslator
{
    public static IpcacheSpec Entry(IpcacheDocument document, LocalNodeSpec local, Place place)
    {
        IpPrefix prefix = Prefix(document.Prefix, place.Field("prefix"));
        IpAddress endpoint = document.TunnelEndpoint is null ? default : ValueParser.UnicastAddress(document.TunnelEndpoint, place.Field("tunnelEndpoint"));
        IpcacheFlags flags = IpcacheFlags.None;
        foreach ((int i, string name) in (document.Flags ?? []).Index())
        {
            flags |= IdentityNames.TryParse(name, out IpcacheFlags flag)
                ? flag
                : throw place.Field("flags").Item(i).Refuse($"expected skiptunnel, hastunnel, ipv6tunnel or remotecluster, found {ValueText.Quote(name ?? "")}");
        }

        return new IpcacheSpec(
            prefix, Number(document.Identity, 1, place.Field("identity")), endpoint,
            (byte)ValueParser.InRange(document.EncryptKey, 0, byte.MaxValue, place.Field("encryptKey"), "encryption key"), flags,
            document.Cluster is null ? local.Cluster : ValueParser.ClusterName(document.Cluster, place.Field("cluster")), document.Source ?? "", place.Source);
    }

    public static IdentitySpec Identity(IdentityDocument document, Place place)
    {
        uint id = Number(document.Id, (int)NumericIdentity.FirstAllocated, place.Field("id"));
        Place labels = place.Field("labels");
        foreach ((int i, string label) in (document.Labels ?? []).Index())
        {
            if (string.IsNullOrEmpty(label) || label.IndexOf(':', StringComparison.Ordinal) <= 0)
            {
                throw labels.Item(i).Refuse($"expected a label with its source such as k8s:app=webpod, found {ValueText.Quote(label ?? "")}");
            }
        }

        return new IdentitySpec(id, [.. (document.Labels ?? []).Distinct().Order(StringComparer.Ordinal)], place.Source);
    }

    public static IpcacheDocument Write(IpcacheSpec entry) => new()
    {
        Prefix = entry.Prefix.ToString(),
        Identity = (int)entry.Identity,
        TunnelEndpoint = entry.TunnelEndpoint == default ? null : entry.TunnelEndpoint.ToString(),
        EncryptKey = entry.Key,
        Flags = entry.Flags == IpcacheFlags.None ? null : [.. IdentityNames.Of(entry.Flags)],
        Cluster = entry.Cluster,
        Source = entry.Origin.Length > 0 ? entry.Origin : null,
    };

    public static IdentityDocument Write(IdentitySpec identity) => new() { Id = (int)identity.Id, Labels = identity.Labels };

    private static IpPrefix Prefix(string text, Place place) =>
        !string.IsNullOrEmpty(text) && !text.Contains('/', StringComparison.Ordinal) ? IpPrefix.Host(ValueParser.Address(text, place)) : ValueParser.Cidr(text, place);

    private static uint Number(int number, int first, Place place) => number >= first && number < NumericIdentity.FirstLocal
        ? (uint)number
        : throw place.Refuse(string.Create(CultureInfo.InvariantCulture, $"{number} is no identity that can be told; use {first} to {NumericIdentity.FirstLocal - 1}"));
}
