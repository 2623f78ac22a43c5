using System.Text.Json;
using System.Text.Json.Serialization;

namespace ClusterMesh.Datapath.Control;

/// <summary>Enums of the protocol are words in camelCase, never numbers.</summary>
internal sealed class CamelCaseEnumConverter<TEnum>() : JsonStringEnumConverter<TEnum>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where TEnum : struct, Enum;
