using System.Text.Json;
using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control.Agent;

/// <summary>How the messages of an agent's control socket are written; strict as <see cref="ControlJson"/>, tolerant for answers.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 64)]
[JsonSerializable(typeof(AgentStatus))]
[JsonSerializable(typeof(ManifestRequest))]
[JsonSerializable(typeof(ManifestResult))]
[JsonSerializable(typeof(ObjectRequest))]
[JsonSerializable(typeof(ObjectResult))]
[JsonSerializable(typeof(AnnotateRequest))]
[JsonSerializable(typeof(ScaleRequest))]
[JsonSerializable(typeof(EnableRequest))]
[JsonSerializable(typeof(EnableResult))]
[JsonSerializable(typeof(AccessDocument))]
[JsonSerializable(typeof(ClusterRequest))]
[JsonSerializable(typeof(TextResult))]
[JsonSerializable(typeof(HealthResult))]
[JsonSerializable(typeof(HealthReport))]
[JsonSerializable(typeof(EndpointsDocument))]
public sealed partial class AgentJson : JsonSerializerContext
{
    /// <summary>For reading answers of a newer agent.</summary>
    public static AgentJson Tolerant => Reading.s_tolerant;

    private static class Reading
    {
        internal static readonly AgentJson s_tolerant =
            new(new JsonSerializerOptions(Default.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip, RespectRequiredConstructorParameters = false });
    }
}
