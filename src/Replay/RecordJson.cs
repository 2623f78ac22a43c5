using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using ClusterMesh.Datapath.Pipeline;

namespace ClusterMesh.Datapath.Replay;

/// <summary>A record as one line of JSON. The order of the fields never changes; a field that does not apply is left out.</summary>
public static class RecordJson
{
    private const long NanosecondsPerSecond = 1_000_000_000;
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Line(ReplayRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, s_options))
        {
            Write(json, record);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, ReplayRecord record)
    {
        json.WriteStartObject();
        if (record.Packet > 0)
        {
            json.WriteNumber("packet", record.Packet);
        }

        if (record.Event != ReplayEvent.Entered)
        {
            json.WriteBoolean(NameOf(record.Event), true);
        }

        json.WriteString("time", TimeText(record.Time));
        WriteText(json, "in", record.In);
        if (record.Number > 0)
        {
            json.WriteNumber("number", record.Number);
        }

        json.WriteString("verdict", NameOf(record.Verdict));
        WriteText(json, "out", record.Out);
        if (record.Verdict == Verdict.Drop)
        {
            json.WriteStartObject("reason");
            json.WriteNumber("code", (byte)record.Reason);
            json.WriteString("text", DropReasons.TextOf(record.Reason));
            if (record.ReasonDetail != 0)
            {
                json.WriteNumber("detail", record.ReasonDetail);
            }

            json.WriteEndObject();
        }

        WriteTuple(json, "before", record.Before);
        WriteTuple(json, "after", record.After);
        WriteText(json, "status", record.Status is { } status ? NameOf(status) : null);
        json.WriteNumber("length", record.Length);
        json.WriteEndObject();
    }

    private static void WriteTuple(Utf8JsonWriter json, string name, FrameTuple? tuple)
    {
        if (tuple is null)
        {
            return;
        }

        json.WriteStartObject(name);
        json.WriteString("source", tuple.Source);
        json.WriteString("destination", tuple.Destination);
        json.WriteString("protocol", tuple.Protocol);
        WriteText(json, "message", tuple.Message);
        if (tuple.Id is { } id)
        {
            json.WriteNumber("id", id);
        }

        WriteTuple(json, "quoted", tuple.Quoted);
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null)
        {
            json.WriteString(name, text);
        }
    }

    private static string NameOf<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    /// <summary>RFC 3339 with nanoseconds, which DateTime's formats do not have.</summary>
    private static string TimeText(long time)
    {
        (long seconds, long nanoseconds) = Math.DivRem(time, NanosecondsPerSecond);
        string text = DateTimeOffset.FromUnixTimeSeconds(seconds).ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"{text}.{nanoseconds:D9}Z");
    }
}
