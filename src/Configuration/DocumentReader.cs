using System.Text;
using System.Text.Json.Serialization.Metadata;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration;

/// <summary>
/// Text -> document, the first station of configuration: finds the file, the YAML and the shape, and says what is wrong with each.
/// What the values mean is checked behind it, by the translators.
/// </summary>
internal static class DocumentReader
{
    /// <summary>As for a request over the control socket.</summary>
    public const int LengthLimit = 64 * 1024 * 1024;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <param name="path">A file, or "-" for the standard input.</param>
    /// <exception cref="ConfigurationException">The file is missing, unreadable, too large or no text.</exception>
    public static string ReadText(string path)
    {
        string file = Shown(path);
        try
        {
            using Stream stream = path == "-" ? Console.OpenStandardInput() : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            return Decode(ReadBounded(stream, file));
        }
        catch (DecoderFallbackException)
        {
            throw new ConfigurationException($"{file}: this is not UTF-8 text; save the file as UTF-8");
        }
        catch (ArgumentException)
        {
            throw new ConfigurationException("no file is named; give the path of a file");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigurationException($"{file}: there is no such file; check the path");
        }
        catch (UnauthorizedAccessException)
        {
            throw new ConfigurationException(Directory.Exists(path)
                ? $"{file}: this is a directory; name the file in it"
                : $"{file}: the file may not be read; check its permissions");
        }
        catch (IOException e)
        {
            throw new ConfigurationException($"{file}: the file cannot be read: {e.Message.TrimEnd('.')}");
        }
    }

    /// <summary>What messages call the file.</summary>
    public static string Shown(string path) => path == "-" ? "stdin" : path;

    /// <exception cref="ConfigurationException">The text is no YAML or not of the document's shape.</exception>
    public static T Read<T>(string file, string text, JsonTypeInfo<T> shape, out DocumentOrigin origin)
    {
        YamlNode root = YamlLoader.Load(file, text);
        origin = DocumentOrigin.OfFile(file, new Lazy<YamlNode>(root));
        return DocumentBinder.Bind(root, shape, origin);
    }

    private static ReadOnlySpan<byte> ReadBounded(Stream stream, string file)
    {
        // Not by the length of the file: pipes and devices have none.
        using MemoryStream all = new();
        byte[] chunk = new byte[64 * 1024];
        for (int read = stream.Read(chunk); read > 0; read = stream.Read(chunk))
        {
            all.Write(chunk, 0, read);
            if (all.Length > LengthLimit)
            {
                throw new ConfigurationException($"{file}: the file is larger than 64 MiB; split it into several changes");
            }
        }

        return all.GetBuffer().AsSpan(0, (int)all.Length);
    }

    private static string Decode(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<byte> mark = [0xEF, 0xBB, 0xBF];
        return s_strictUtf8.GetString(bytes.StartsWith(mark) ? bytes[mark.Length..] : bytes);
    }
}
