namespace ClusterMesh.Datapath.House.Tests;

/// <summary>The rules are only as good as their reading of a file.</summary>
public sealed class SourceFileTests
{
    private const string Sample = """"
        /// <summary>new Thing() and "text" // TODO</summary>
        public sealed class Thing : IThing
        {
            private readonly Other _other = new();

            public Thing(int first,
                int second)
            {
                _other = new Other("// no comment", '"', $"a{first}b\"", @"c\""d");
            }

            private static Func<int, string> Name(int x)
            {
                /* Thread.Sleep */
                if (x > 0)
                {
                    return _ => """unsafe { }""";
                }

                return _ => $"{x:d} {(x > 1 ? "y" : "z")}"; // why
            }

            public int Short() => 1;
        }
        """";

    private readonly SourceFile _file = new("x.cs", Sample);

    [Fact]
    public void Code_has_neither_comments_nor_strings()
    {
        Assert.DoesNotMatch("TODO|text|Sleep|unsafe|comment|why|[\"']", _file.Code);
        Assert.Contains("new Other(", _file.Code);
        Assert.Contains("return _ =>", _file.Code);
        Assert.Equal(Sample.Length, _file.Code.Length);
        Assert.Equal(Sample.Split('\n').Length, _file.Code.Split('\n').Length);
    }

    [Fact]
    public void Comments_have_nothing_else()
    {
        Assert.Contains("TODO", _file.Comments);
        Assert.Contains("Thread.Sleep", _file.Comments);
        Assert.Contains("// why", _file.Comments);
        Assert.DoesNotMatch("no comment|class|return", _file.Comments);
        Assert.Equal([("x.cs:1", "TODO")], _file.FindInComments("TODO"));
        Assert.Equal([("x.cs:20", "why")], _file.FindInComments("why"));
    }

    [Fact]
    public void Members_are_found_with_their_lines()
    {
        Assert.Equal(
            [new SourceMember("Thing", 6, 10, true), new SourceMember("Name", 12, 21, false)], _file.Members());
    }

    [Fact]
    public void What_is_found_has_its_line() => Assert.Equal([("x.cs:9", "new Other")], _file.Find(@"new \w+"));

    [Fact]
    public void The_tree_is_seen()
    {
        Assert.InRange(Tree.Sources("src").Count, 100, 10_000);
        Assert.InRange(Tree.Sources("src").Sum(f => f.Members().Count), 200, 100_000);
        Assert.All(Tree.Sources("src", "tests"), f => Assert.DoesNotContain("/obj/", f.Path));
    }
}
