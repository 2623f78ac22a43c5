using System.Text.Json;
using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Mesh.Objects;

/// <summary>How objects lie in the store. Unknown fields of a newer agent are passed over.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, IgnoreReadOnlyProperties = true)]
[JsonSerializable(typeof(ServiceObject))]
[JsonSerializable(typeof(EndpointSliceObject))]
[JsonSerializable(typeof(PodObject))]
[JsonSerializable(typeof(DeploymentObject))]
[JsonSerializable(typeof(NodeObject))]
[JsonSerializable(typeof(ConfigMapObject))]
[JsonSerializable(typeof(NamespaceObject))]
[JsonSerializable(typeof(PolicyObject))]
internal sealed partial class ObjectJson : JsonSerializerContext;
