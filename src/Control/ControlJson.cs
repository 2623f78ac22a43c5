using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control.Documents;
using ClusterMesh.Datapath.Control.Messages;
using ClusterMesh.Datapath.Control.Rows;

namespace ClusterMesh.Datapath.Control;

/// <summary>
/// How everything that crosses the control socket is written as JSON. <see cref="Default"/> is strict (requests, documents): an unknown
/// field, a field given twice, a null or a number of the wrong shape is refused. <see cref="Tolerant"/> lets unknown fields pass,
/// so that a client can read the answers of a newer forwarder.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    NumberHandling = JsonNumberHandling.Strict,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    AllowDuplicateProperties = false,
    MaxDepth = MaxDepth,
    Converters = [typeof(CamelCaseEnumConverter<ApplyMode>), typeof(CamelCaseEnumConverter<TakeoverPhase>), typeof(CamelCaseEnumConverter<WatchEventType>)])]
[JsonSerializable(typeof(NodeDocument))]
[JsonSerializable(typeof(ChangeDocument))]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(ApplyRequest))]
[JsonSerializable(typeof(DeleteRequest))]
[JsonSerializable(typeof(ListRequest))]
[JsonSerializable(typeof(WatchRequest))]
[JsonSerializable(typeof(WatchResult))]
[JsonSerializable(typeof(UnwatchRequest))]
[JsonSerializable(typeof(ChangeResult))]
[JsonSerializable(typeof(NoContent))]
[JsonSerializable(typeof(MaglevRequest))]
[JsonSerializable(typeof(MaglevResult))]
[JsonSerializable(typeof(SelectRequest))]
[JsonSerializable(typeof(SelectResult))]
[JsonSerializable(typeof(ExplainRequest))]
[JsonSerializable(typeof(ExplainResult))]
[JsonSerializable(typeof(TakeoverRequest))]
[JsonSerializable(typeof(TakeoverResult))]
[JsonSerializable(typeof(CaptureRequest))]
[JsonSerializable(typeof(CaptureResult))]
[JsonSerializable(typeof(TraceRequest))]
[JsonSerializable(typeof(TraceResult))]
[JsonSerializable(typeof(TraceReport))]
[JsonSerializable(typeof(ListResult<EndpointRow>), TypeInfoPropertyName = "EndpointList")]
[JsonSerializable(typeof(ListResult<NodeRow>), TypeInfoPropertyName = "NodeList")]
[JsonSerializable(typeof(ListResult<RouteRow>), TypeInfoPropertyName = "RouteList")]
[JsonSerializable(typeof(ListResult<ServiceRow>), TypeInfoPropertyName = "ServiceList")]
[JsonSerializable(typeof(ListResult<BackendRow>), TypeInfoPropertyName = "BackendList")]
[JsonSerializable(typeof(ListResult<MasqueradeRow>), TypeInfoPropertyName = "MasqueradeList")]
[JsonSerializable(typeof(ListResult<ConntrackRow>), TypeInfoPropertyName = "ConntrackList")]
[JsonSerializable(typeof(ListResult<SnatRow>), TypeInfoPropertyName = "SnatList")]
[JsonSerializable(typeof(ListResult<NeighborRow>), TypeInfoPropertyName = "NeighborList")]
[JsonSerializable(typeof(ListResult<CounterRow>), TypeInfoPropertyName = "CounterList")]
[JsonSerializable(typeof(ListResult<PortRow>), TypeInfoPropertyName = "PortList")]
[JsonSerializable(typeof(ListResult<IpcacheRow>), TypeInfoPropertyName = "IpcacheList")]
[JsonSerializable(typeof(ListResult<PolicyRow>), TypeInfoPropertyName = "PolicyList")]
[JsonSerializable(typeof(ListResult<IdentityRow>), TypeInfoPropertyName = "IdentityList")]
[JsonSerializable(typeof(WatchEvent<EndpointRow>), TypeInfoPropertyName = "EndpointEvent")]
[JsonSerializable(typeof(WatchEvent<NodeRow>), TypeInfoPropertyName = "NodeEvent")]
[JsonSerializable(typeof(WatchEvent<RouteRow>), TypeInfoPropertyName = "RouteEvent")]
[JsonSerializable(typeof(WatchEvent<ServiceRow>), TypeInfoPropertyName = "ServiceEvent")]
[JsonSerializable(typeof(WatchEvent<BackendRow>), TypeInfoPropertyName = "BackendEvent")]
[JsonSerializable(typeof(WatchEvent<MasqueradeRow>), TypeInfoPropertyName = "MasqueradeEvent")]
[JsonSerializable(typeof(WatchEvent<ConntrackRow>), TypeInfoPropertyName = "ConntrackEvent")]
[JsonSerializable(typeof(WatchEvent<SnatRow>), TypeInfoPropertyName = "SnatEvent")]
[JsonSerializable(typeof(WatchEvent<NeighborRow>), TypeInfoPropertyName = "NeighborEvent")]
[JsonSerializable(typeof(WatchEvent<CounterRow>), TypeInfoPropertyName = "CounterEvent")]
[JsonSerializable(typeof(WatchEvent<PortRow>), TypeInfoPropertyName = "PortEvent")]
[JsonSerializable(typeof(WatchEvent<IpcacheRow>), TypeInfoPropertyName = "IpcacheEvent")]
[JsonSerializable(typeof(WatchEvent<PolicyRow>), TypeInfoPropertyName = "PolicyEvent")]
[JsonSerializable(typeof(WatchEvent<IdentityRow>), TypeInfoPropertyName = "IdentityEvent")]
public sealed partial class ControlJson : JsonSerializerContext
{
    /// <summary>Objects within objects; a document needs 6.</summary>
    internal const int MaxDepth = 64;

    /// <summary>Quotes and umlauts in messages stay readable: a socket is no web page.</summary>
    internal static readonly JsonWriterOptions s_writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>For reading answers.</summary>
    public static ControlJson Tolerant => Reading.s_tolerant;

    /// <summary>How a type of the protocol is written; the type must be one of those above.</summary>
    public JsonTypeInfo<T> For<T>() =>
        (JsonTypeInfo<T>?)GetTypeInfo(typeof(T)) ?? throw new ArgumentException($"{typeof(T)} is not part of the control protocol");

    internal static T Read<T>(in ReadOnlySequence<byte> json, JsonTypeInfo<T> type)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        return JsonSerializer.Deserialize(ref reader, type) ?? throw new JsonException("null is no object");
    }

    /// <summary>A class of its own, since <see cref="Default"/> must be there first and lies in the generated half.</summary>
    private static class Reading
    {
        internal static readonly ControlJson s_tolerant =
            new(new JsonSerializerOptions(Default.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip });
    }
}
