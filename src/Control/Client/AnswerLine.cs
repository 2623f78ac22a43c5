using System.Buffers;
using System.Text.Json;

namespace ClusterMesh.Datapath.Control.Client;

/// <summary>The envelope of one message from a forwarder: an answer (id with result or error) or an event (parameters).</summary>
internal readonly record struct AnswerLine(long? Id, ReadOnlySequence<byte> Result, ReadOnlySequence<byte> Parameters, ControlException? Error)
{
    public static AnswerLine Parse(in ReadOnlySequence<byte> line)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = ControlJson.MaxDepth });
        long? id = null;
        ControlException? error = null;
        ReadOnlySequence<byte> result = default;
        ReadOnlySequence<byte> parameters = default;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("id"u8))
            {
                reader.Read();
                id = reader.TokenType == JsonTokenType.Number ? reader.GetInt64() : null;
            }
            else if (reader.ValueTextEquals("result"u8))
            {
                result = ValueAt(line, ref reader);
            }
            else if (reader.ValueTextEquals("params"u8))
            {
                parameters = ValueAt(line, ref reader);
            }
            else if (reader.ValueTextEquals("error"u8))
            {
                reader.Read();
                error = ReadError(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        return new AnswerLine(id, result, parameters, error);
    }

    /// <summary>The subscription of an event, without reading its object.</summary>
    public static long SubscriptionOf(in ReadOnlySequence<byte> parameters)
    {
        Utf8JsonReader reader = new(parameters);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool found = reader.ValueTextEquals("subscription"u8);
            reader.Read();
            if (found)
            {
                return reader.GetInt64();
            }

            reader.Skip();
        }

        throw new JsonException("an event without a subscription");
    }

    private static ReadOnlySequence<byte> ValueAt(in ReadOnlySequence<byte> line, ref Utf8JsonReader reader)
    {
        reader.Read();
        long start = reader.TokenStartIndex;
        reader.Skip();
        return line.Slice(start, reader.BytesConsumed - start);
    }

    private static ControlException ReadError(ref Utf8JsonReader reader)
    {
        int code = (int)ErrorCode.InternalError;
        string message = "";
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("code"u8))
            {
                reader.Read();
                code = reader.GetInt32();
            }
            else if (reader.ValueTextEquals("message"u8))
            {
                reader.Read();
                message = reader.GetString() ?? "";
            }
            else
            {
                reader.Skip();
            }
        }

        return new ControlException((ErrorCode)code, message);
    }
}
