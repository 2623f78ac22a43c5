using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace ClusterMesh.Datapath.Control.Server;

/// <summary>The envelope of one request; the parameters still lie unread in the connection's buffer.</summary>
internal readonly record struct RequestLine(string Method, ReadOnlySequence<byte> Parameters)
{
    /// <summary>Longer ids are refused: an id is copied into every answer.</summary>
    private const int LongestId = 256;

    /// <summary>
    /// Reads the envelope and checks that the whole line is JSON. <paramref name="id"/> is the id as it was written, null for none;
    /// it is set as soon as it is known, so that a refusal can bear it.
    /// </summary>
    public static RequestLine Parse(in ReadOnlySequence<byte> line, ref byte[]? id)
    {
        try
        {
            return ParseEnvelope(line, ref id);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: bytes in a string that are no UTF-8.
            id = null;
            string what = fault is JsonException json ? JsonFault.DescribeLine(json) : "it holds bytes that are no UTF-8";
            throw new ControlException(ErrorCode.ParseError, $"the line is no JSON: {what}");
        }
    }

    private static RequestLine ParseEnvelope(in ReadOnlySequence<byte> line, ref byte[]? id)
    {
        Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = ControlJson.MaxDepth });
        reader.Read();
        bool isObject = reader.TokenType == JsonTokenType.StartObject;
        bool isBatch = reader.TokenType == JsonTokenType.StartArray;
        bool hasVersion = false;
        string? method = null;
        string? unknown = null;
        ReadOnlySequence<byte> parameters = default;
        while (isObject && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("jsonrpc"u8))
            {
                reader.Read();
                hasVersion = reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("2.0"u8);
            }
            else if (reader.ValueTextEquals("method"u8))
            {
                reader.Read();
                method = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            }
            else if (reader.ValueTextEquals("id"u8))
            {
                reader.Read();
                id = CopyId(line, ref reader);
                continue;
            }
            else if (reader.ValueTextEquals("params"u8))
            {
                reader.Read();
                long start = reader.TokenStartIndex;
                reader.Skip();
                parameters = line.Slice(start, reader.BytesConsumed - start);
                continue;
            }
            else
            {
                unknown ??= reader.GetString();
            }

            reader.Skip();
        }

        reader.Skip();
        while (reader.Read())
        {
            // What follows the value is refused by the reader itself.
        }

        if (!isObject || !hasVersion || string.IsNullOrEmpty(method) || unknown is not null)
        {
            string what = isBatch ? "batches are not taken, send one request a line"
                : !isObject ? "a request is a JSON object"
                : !hasVersion ? "\"jsonrpc\" must be \"2.0\""
                : unknown is not null ? $"a request has no field \"{unknown}\""
                : "\"method\" is missing";
            throw new ControlException(ErrorCode.InvalidRequest, what);
        }

        return new RequestLine(method!, parameters);
    }

    private static byte[] CopyId(in ReadOnlySequence<byte> line, ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Number or JsonTokenType.Null))
        {
            throw new ControlException(ErrorCode.InvalidRequest, "\"id\" must be a string or a number");
        }

        ReadOnlySequence<byte> raw = line.Slice(reader.TokenStartIndex, reader.BytesConsumed - reader.TokenStartIndex);
        if (raw.Length > LongestId)
        {
            throw new ControlException(ErrorCode.InvalidRequest, $"\"id\" is longer than {LongestId} bytes");
        }

        byte[] id = raw.ToArray();
        return Utf8.IsValid(id) ? id : throw new ControlException(ErrorCode.ParseError, "the line is no JSON: \"id\" is no UTF-8");
    }
}
