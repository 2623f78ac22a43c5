using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace ClusterMesh.Datapath.Control;

/// <summary>Writes JSON-RPC 2.0 messages, one a line.</summary>
internal static class JsonRpc
{
    /// <param name="id">The request's id as it was written there.</param>
    public static void WriteAnswer(MessageBuffer message, byte[] id, Action<Utf8JsonWriter>? result, ControlException? error)
    {
        using (Utf8JsonWriter writer = new(message, ControlJson.s_writer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WritePropertyName("id"u8);
            writer.WriteRawValue(id, skipInputValidation: true);
            if (error is not null)
            {
                writer.WriteStartObject("error"u8);
                writer.WriteNumber("code"u8, (int)error.Code);
                writer.WriteString("message"u8, error.Message);
                writer.WriteEndObject();
            }
            else
            {
                writer.WritePropertyName("result"u8);
                result!(writer);
            }

            writer.WriteEndObject();
        }

        message.Write((byte)'\n');
    }

    public static void WriteRequest<TParams>(MessageBuffer message, long id, string method, TParams parameters, JsonTypeInfo<TParams> type)
    {
        using (Utf8JsonWriter writer = new(message, ControlJson.s_writer))
        {
            writer.WriteStartObject();
            writer.WriteString("jsonrpc"u8, "2.0"u8);
            writer.WriteNumber("id"u8, id);
            writer.WriteString("method"u8, method);
            writer.WritePropertyName("params"u8);
            JsonSerializer.Serialize(writer, parameters, type);
            writer.WriteEndObject();
        }

        message.Write((byte)'\n');
    }
}
