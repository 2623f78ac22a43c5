using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using ClusterMesh.Datapath.Control.Documents;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>docs/node-file.md says everything that a file may hold.</summary>
public sealed class NodeFilePageTests
{
    private readonly string _page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "node-file.md"));

    [Fact]
    public void Every_field_has_a_row_in_its_section()
    {
        foreach (PropertyInfo section in typeof(NodeDocument).GetProperties())
        {
            string name = NameOf(section);
            int start = _page.IndexOf($"\n## {name}\n", StringComparison.Ordinal);
            Assert.True(start >= 0, $"the page has no section '{name}'");
            int end = _page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
            AssertRows(section.PropertyType, "", name, end < 0 ? _page[start..] : _page[start..end]);
        }
    }

    [Fact]
    public void The_example_is_right()
    {
        int start = _page.IndexOf("```yaml\n", StringComparison.Ordinal) + "```yaml\n".Length;
        string example = _page[start.._page.IndexOf("```", start, StringComparison.Ordinal)];
        Assert.Equal("west-worker", NodeFile.Parse("node-file.md", example).Local.Name);
    }

    private static void AssertRows(Type type, string prefix, string section, string text)
    {
        Type item = type.IsGenericType ? type.GetGenericArguments()[0] : type;
        if (item.Namespace != typeof(NodeDocument).Namespace)
        {
            return;
        }

        foreach (PropertyInfo field in item.GetProperties())
        {
            string name = prefix + NameOf(field);
            Assert.True(text.Contains($"| `{name}` |", StringComparison.Ordinal), $"section '{section}' of the page has no row for '{name}'");
            AssertRows(field.PropertyType, name + "[].", section, text);
        }
    }

    private static string NameOf(PropertyInfo property) =>
        property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);
}
