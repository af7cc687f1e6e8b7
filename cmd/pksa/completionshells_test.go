package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pksa/agent"
	"pksa/agent/control"
	"pksa/agent/ledger"
)

// askBash is what bash does at a press of the tabulator key, with the parts of the package
// bash-completion that scripts of cobra use, as far as they do.
const askBash = `
_get_comp_words_by_ref() {
	cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
}
__ltrim_colon_completions() { :; }
compopt() { :; } # which bash takes from its own completion only
_filedir() { COMPREPLY+=("files:$1"); }
source <(pksa completion bash) || exit 1
while IFS= read -r line; do
	read -ra COMP_WORDS <<<"$line"
	[[ $line != *' ' ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=63 COMP_KEY=9 COMPREPLY=()
	complete -p pksa >/dev/null || exit 1
	__start_pksa 2>&1
	echo "$line=$(printf '%s|' "${COMPREPLY[@]}")"
done
`

// askZsh is what zsh does then. What would show the candidates is in its functions of completion,
// which need a terminal: in their place one prints them.
const askZsh = `
compdef() { : }
_arguments() { : } # of files
_describe() { local typed=${words[-1]#*=}; printf '%s|' "${(@M)completions:#${(b)typed}*}" }
source <(pksa completion zsh) || exit 1
while IFS= read -r line; do
	words=("${(@s: :)line}")
	CURRENT=${#words}
	printf '%s=' "$line"
	_pksa
	print
done
exit 0
`

// askFish asks fish itself, which completes without a terminal.
const askFish = `
pksa completion fish | source; or exit 1
for line in (cat)
	echo $line=(complete -C $line | string join '|')'|'
end
`

// Each shell itself runs the script that the program makes for it, and is offered what the agent
// has. PowerShell is no package of Debian: nobody runs its script here.
func TestShellsComplete(t *testing.T) {
	noRace(t)
	for _, shell := range [][]string{{"bash", "--norc", "-c", askBash}, {"zsh", "-f", "-c", askZsh},
		{"fish", "--no-config", "-c", askFish}} {
		t.Run(shell[0], func(t *testing.T) {
			if _, err := exec.LookPath(shell[0]); err != nil {
				t.Skip(shell[0] + " is not installed")
			}
			completes(t, shell)
		})
	}
}

// completes has a shell complete lines.
func completes(t *testing.T, shell []string) {
	t.Helper()
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodAppList: func(context.Context, []byte) (any, error) {
			return []agent.AppInfo{{Name: "mybot"}, {Name: "mygame"}, {Name: "tips"}}, nil
		},
		agent.MethodStatus: func(context.Context, []byte) (any, error) {
			return agent.Status{Accounts: []agent.AccountStatus{{Name: "alice"}, {Name: "alicia"}, {Name: "bob"}}}, nil
		},
		agent.MethodSessionList: func(context.Context, []byte) (any, error) {
			return []agent.SessionInfo{{ID: ledger.SessionID(7), App: "mybot", Account: "alice"},
				{ID: ledger.SessionID(12), App: "tips", Account: "bob"}}, nil
		},
		agent.MethodPending: func(context.Context, []byte) (any, error) {
			return []agent.PendingRequest{{Number: 31, Kind: "sign", App: "mybot", Account: "alice"},
				{Number: 45, Kind: "sign", App: "tips", Account: "bob"}}, nil
		},
	})
	tries := []struct{ line, want string }{
		{"pksa app rem", "remove"},
		{"pksa app remove my", "mybot mygame"},
		{"pksa app remove mybot ", ""}, // one is enough
		{"pksa audit tail --app t", "tips"},
		{"pksa session add ali", "alice alicia"},
		{"pksa keys rotate bob p", "posting"},
		{"pksa session revoke ", "12 7"},
		{"pksa session revoke 7 ", "12"},
		{"pksa approve 4", "45"},
		{"pksa deny ", "31 45"},
		{"pksa session list --account=ali", "alice alicia"},
		{"pksa completion ", "bash fish powershell zsh"},
	}
	var lines strings.Builder
	for _, c := range tries {
		lines.WriteString(c.line + "\n")
	}
	cmd := exec.CommandContext(t.Context(), shell[0], shell[1:]...)
	cmd.Env = append(os.Environ(), "PKSA_HOME="+home, "HOME="+t.TempDir()) // where fish keeps its history
	cmd.Stdin = strings.NewReader(lines.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(got) != len(tries) {
		t.Fatalf("%d answers of %d:\n%s", len(got), len(tries), out)
	}
	for i, c := range tries {
		var names []string
		for _, name := range strings.Split(strings.TrimPrefix(got[i], c.line+"="), "|") {
			name = strings.TrimPrefix(name, "--account=")
			if end := strings.IndexAny(name, " :\t"); end >= 0 { // what the shell says of it
				name = name[:end]
			}
			if name != "" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if strings.Join(names, " ") != c.want {
			t.Errorf("%q: %q, want %s", c.line, got[i], c.want)
		}
	}
}
