using System.CommandLine;

namespace ClusterMesh.Datapath.Cli.Commands;

/// <summary>
/// cmesh completion: a few lines of shell that ask cmesh itself, by its [suggest] directive, so that they never grow old.
/// The directive gets the line without the command's own word, which may be a path.
/// </summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # cmesh completion for bash: source <(cmesh completion bash)
        _cmesh() {
            local skip=$((${#COMP_WORDS[0]} + 1))
            local found
            found=$("${COMP_WORDS[0]}" "[suggest:$((COMP_POINT - skip))]" "${COMP_LINE:skip}" 2>/dev/null)
            local word=${COMP_LINE:0:COMP_POINT}
            word=${word##*[[:space:]=]}
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$found" -- "$word"))
            # What stands before the last colon is a word of its own to bash, and done.
            local past=${word%"${word##*:}"}
            COMPREPLY=("${COMPREPLY[@]#"$past"}")
        }
        complete -o default -F _cmesh cmesh
        """;

    private const string Zsh = """
        #compdef cmesh
        # cmesh completion for zsh: source <(cmesh completion zsh)
        _cmesh() {
            local line="${words[2,CURRENT]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            compadd -a found
        }
        compdef _cmesh cmesh
        """;

    public static Command Build(Screen screen)
    {
        Command command = new("completion", "Print what a shell needs to complete cmesh: source <(cmesh completion bash).");
        Argument<string> shell = new("shell") { Description = "bash or zsh." };
        shell.AcceptOnlyFromAmong("bash", "zsh");
        command.Add(shell);
        command.SetAction(parsed => screen.Output.WriteLine(parsed.GetRequiredValue(shell) == "bash" ? Bash : Zsh));
        return command;
    }
}
