using System.Text.Json.Serialization;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>Shapes of the documents, generated at build time: the program is compiled ahead of time and has no reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    NumberHandling = JsonNumberHandling.Strict,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(NodeDocument))]
[JsonSerializable(typeof(ChangeDocument))]
internal sealed partial class DocumentJsonContext : JsonSerializerContext;
