using System.Text;
using ClusterMesh.Datapath.State;

namespace ClusterMesh.Datapath.Configuration.Tests;

/// <summary>Text that means harm, or that a disk or an editor spoiled, ends in a sentence: soon, and without eating the machine.</summary>
public sealed class HostileTextTests
{
    /// <summary>Characters that mean something to YAML, and some that nobody expects.</summary>
    private const string Nasty = "{}[]:-#&*!|>'\"%@`\t \\\n\r,?~<=.0129aexuU/_\0\u0007\u0085\u00e9\u2028\ud83d\ude00\ufeff";

    [Fact(Timeout = 120_000)]
    public Task Mutations_of_a_good_file_give_specs_or_a_sentence() => Task.Run(() =>
    {
        const int Seed = 20260801;
        Random random = new(Seed);
        int readCount = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string text = Mutate(Sample.WestWorker, random);
            try
            {
                NodeFile file = NodeFile.Parse("x.yaml", text);
                string effective = YamlText.Write(DocumentWriter.Write(file.Local, file.SocketPath, file.Initial));
                NodeFile.Parse("effective.yaml", effective);
                readCount++;
            }
            catch (ConfigurationException e)
            {
                Assert.True(e.Message.StartsWith("x.yaml:", StringComparison.Ordinal) && !e.Message.Any(char.IsControl), $"seed {Seed}, case {i}: '{e.Message}'\n{text}");
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
            {
                Assert.Fail($"seed {Seed}, case {i}: {e}\n{text}");
            }
        }

        // Neither all good nor all bad, or the mutations test nothing.
        Assert.InRange(readCount, 500, 19_500);
    }, TestContext.Current.CancellationToken);

    [Fact(Timeout = 60_000)]
    public Task Bombs_end_in_a_sentence() => Task.Run(() =>
    {
        string backends = string.Join(", ", Enumerable.Repeat("*b", 3000));
        string services = string.Concat(Enumerable.Repeat("  - *s\n", 3000));
        Refused($"x: &b {{address: 10.0.0.1}}\nservices:\n  - &s {{name: a, backends: [{backends}]}}\n{services}",
            "x.yaml:1: x: unknown field 'x'; known are node, socket, host, uplink, routing, loadBalancer, masquerade, tables, flows, policy, endpoints, nodes, routes, services, ipcache, identities, policies");
        Refused($"services:\n  - &s {{name: a, backends: [&b {{address: 10.0.0.1}}, {backends}]}}\n{services}",
            "the aliases of this file repeat too much; write the values out");
        Refused("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nservices: [*c, *c, *c]", "unknown field 'a'");
        StringBuilder laughs = new("services: [&a0 [lol]");
        for (int i = 1; i < 30; i++)
        {
            laughs.Append($", &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}, *a{i - 1}]");
        }

        Refused(laughs + "]", "services[0]: expected fields such as 'name: ...', found a list");
        Refused(new string('[', 1_000_000), "nested too deep");
        Refused(string.Concat(Enumerable.Repeat("{a: ", 100_000)), "nested too deep");
        Refused(string.Concat(Enumerable.Repeat("- ", 100_000)), "nested too deep");
        Refused("node: {name: " + new string('n', 10_000_000) + "}", "is no node name");
        Refused(string.Concat(Enumerable.Repeat("---\n", 100_000)), "second document");
        Refused(string.Concat(Enumerable.Range(0, 100_000).Select(i => $"k{i}: &a{i} 1\n")), "unknown field 'k0'");
    }, TestContext.Current.CancellationToken);

    [Fact]
    public void Files_that_are_no_text_files()
    {
        string directory = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string path = Path.Combine(directory, "x.yaml");
            Assert.Equal($"{path}: there is no such file; check the path", Sentence(() => NodeFile.Read(path)));
            Assert.Equal($"{directory}: this is a directory; name the file in it", Sentence(() => ChangeFile.Read(directory)));
            Assert.Equal("no file is named; give the path of a file", Sentence(() => ChangeFile.Read("")));
            File.WriteAllBytes(path, [0x61, 0xFF, 0xFE]);
            Assert.Equal($"{path}: this is not UTF-8 text; save the file as UTF-8", Sentence(() => NodeFile.Read(path)));
            File.WriteAllBytes(path, []);
            Assert.Equal($"{path}: the file is empty; it must hold one YAML document", Sentence(() => NodeFile.Read(path)));
            using (FileStream stream = File.OpenWrite(path))
            {
                stream.SetLength((64 * 1024 * 1024) + 1);
            }

            Assert.Equal($"{path}: the file is larger than 64 MiB; split it into several changes", Sentence(() => NodeFile.Read(path)));
            Assert.EndsWith("larger than 64 MiB; split it into several changes", Sentence(() => NodeFile.Read("/dev/zero")));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void A_change_file_has_no_sections_of_the_node()
    {
        Assert.Equal("c.yaml:1: node: 'node' is fixed while the forwarder runs and cannot be in a change; set it in the node file and restart",
            Sentence(() => ChangeFile.Parse("c.yaml", "node: {name: a}")));
        Assert.Equal("c.yaml:2: endpoint: unknown field 'endpoint'; did you mean 'endpoints'?",
            Sentence(() => ChangeFile.Parse("c.yaml", "services: []\nendpoint: []")));
        Assert.Equal("c.yaml:3", ChangeFile.Parse("c.yaml", "services:\n- name: a\n  backends: []").Origin.Locate("services[0].backends[7].port"));
    }

    private static void Refused(string text, string part) => Assert.Contains(part, Sentence(() => NodeFile.Parse("x.yaml", text)));

    private static string Sentence(Func<object> read) => Assert.Throws<ConfigurationException>(read).Message;

    private static string Mutate(string text, Random random)
    {
        List<string> lines = [.. text.Split('\n')];
        for (int count = random.Next(1, 4); count > 0; count--)
        {
            int at = random.Next(lines.Count);
            switch (random.Next(6))
            {
                case 0:
                    lines.RemoveAt(at);
                    break;
                case 1:
                    lines.Insert(at, lines[random.Next(lines.Count)]);
                    break;
                case 2:
                    lines[at] = new string(' ', random.Next(4)) + lines[at];
                    break;
                case 3:
                    lines[at] = lines[at][..random.Next(lines[at].Length + 1)];
                    break;
                case 4:
                    int place = random.Next(lines[at].Length + 1);
                    lines[at] = lines[at].Insert(place, Nasty[random.Next(Nasty.Length)].ToString());
                    break;
                default:
                    char[] garbled = lines[at].ToCharArray();
                    for (int i = random.Next(4); i > 0 && garbled.Length > 0; i--)
                    {
                        garbled[random.Next(garbled.Length)] = Nasty[random.Next(Nasty.Length)];
                    }

                    lines[at] = new string(garbled);
                    break;
            }

            if (lines.Count == 0)
            {
                break;
            }
        }

        return string.Join('\n', lines);
    }
}
