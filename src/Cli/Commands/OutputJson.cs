using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.Control;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>JSON as -o json prints it: documents indented, rows one a line.</summary>
internal static class OutputJson
{
    private static readonly ControlJson s_line = new(new JsonSerializerOptions(ControlJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    private static readonly ControlJson s_indented = new(new JsonSerializerOptions(s_line.Options) { WriteIndented = true });

    public static string Document<T>(T value) => JsonSerializer.Serialize(value, s_indented.For<T>());

    public static JsonTypeInfo<T> RowType<T>() => s_line.For<T>();
}
