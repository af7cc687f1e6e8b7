package protocol_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the name in go.mod.
const module = "pksa"

// folders are those at the top of the module that hold Go code.
var folders = []string{"protocol", "keystore", "agent", "cmd", "examples"}

// row lets packages import others of this module. A pattern that ends in "/..." stands for a
// package and for all packages below it.
type row struct {
	from string
	to   []string
}

// rows are all imports that the module allows between its packages. An import that no row allows is
// a decision: add a row and say why. Tests have the rows of testRows besides.
var rows = []row{
	// Between folders: from cmd over agent and keystore to protocol.
	{"keystore/...", []string{"protocol/..."}},
	{"agent/...", []string{"keystore/...", "protocol/..."}},
	{"cmd/...", []string{"agent/...", "keystore/...", "protocol/..."}},
	{"examples/...", []string{"agent/...", "keystore/...", "protocol/..."}},

	// Inside protocol: hive and seal do not know each other, nor the messages.
	{"protocol", []string{"protocol/..."}},
	{"protocol/...", []string{"protocol/host", "protocol/plain", "protocol/secret", "protocol/sorts"}},

	// Inside keystore and cmd.
	{"keystore", []string{"keystore/..."}},
	{"keystore/durable/durabletest", []string{"keystore/durable"}}, // makes its system calls fail
	{"cmd/...", []string{"cmd/..."}},

	// Inside agent: its packages meet in agent only.
	{"agent", []string{"agent/..."}},
	// It makes one process of the agent and of what runs beside it.
	{"agent/service", []string{"agent", "agent/certificate", "agent/config", "agent/control", "agent/harden",
		"agent/ledger", "agent/ledger/pg", "agent/node", "agent/relay", "agent/status"}},
	// It looks at the wallet from outside, by the parts that the agent is made of.
	{"agent/doctor", []string{"agent", "agent/approve", "agent/config", "agent/control", "agent/guard", "agent/harden",
		"agent/kernelclock", "agent/ledger", "agent/link", "agent/node", "agent/notify", "agent/policy", "agent/probe",
		"agent/service", "agent/status"}},
	{"agent/relay/wire", []string{"agent/relay"}},                          // whose frames can be watched
	{"agent/relay/relaytest", []string{"agent/relay", "agent/relay/wire"}}, // faults on those wires
	{"agent/node/nodetest", []string{"agent/node/memchain"}},               // nodes that misbehave show an honest chain
	// It reads the trail and judges it again, and checks the approvals in it.
	{"agent/audit", []string{"agent/ledger", "agent/policy", "agent/approve"}},
	{"agent/difftext", []string{"agent/effect", "agent/policy"}}, // it says in words what a comparison found
	{"agent/audit", []string{"agent/difftext"}},                  // it compares for a console
	// It keeps who may approve in the ledger.
	{"agent/approve", []string{"agent/ledger", "agent/passkey"}},
	// It can be kept in a database.
	{"agent/ledger", []string{"agent/ledger/pg"}},
	{"agent/ledger/pg/pgtest", []string{"agent/ledger/pg"}}, // it starts servers to enter
	// It compares a file with what the ledger holds.
	{"agent/provision", []string{"agent/ledger", "agent/yamlnode"}},
	{"agent/client/x402", []string{"agent/client"}},          // it pays by what a wallet signs
	{"agent/gate", []string{"agent/policy"}},                 // it runs the tests of a policy
	{"agent/passkey/passkeytest", []string{"agent/passkey"}}, // it makes what the other checks
	{"agent/backup", []string{"agent/ledger"}},               // for the points at which a test kills it
	// It looks up what was charged for, and gives it back.
	{"agent/refund", []string{"agent/ledger", "agent/node", "agent/policy"}},
	// It asks which keys have to sign.
	{"agent/cosign", []string{"agent/node"}},
	// It compares what hosts say of accounts with what the ledger has of them.
	{"agent/guard", []string{"agent/ledger", "agent/node"}},
	// Why a server was of no use, in words that all of them have.
	{"agent/link", []string{"agent/outage"}},
	{"agent/node", []string{"agent/outage"}},
	{"agent/status", []string{"agent/outage"}},
	{"agent/notify", []string{"agent/outage"}},
	{"agent/doctor", []string{"agent/outage", "agent/passkey"}},
	{"agent/harden", []string{"agent/config"}},    // the configuration names what stays open
	{"agent/config", []string{"agent/yamlnode"}},  // YAML is read strictly, in one place
	{"agent/config", []string{"agent/ledger/pg"}}, // how the address of a database reads
	{"agent/config", []string{"agent/passkey"}},   // which addresses can have passkeys
	{"agent/policy", []string{"agent/yamlnode"}},
}

// testRows are what tests may import besides: faults, and the other ends of the protocols that a
// package speaks.
var testRows = []row{
	{"keystore/...", []string{"keystore/durable/durabletest", "keystore/plugintest"}},
	{"agent/...", []string{"agent/relay", "agent/relay/relaytest", "agent/node/nodetest",
		"agent/passkey/passkeytest"}},
	{"agent", []string{"agent/service"}}, // its tests run the agent as the program does
	{"cmd/pksa", []string{"agent/ledger/pg/pgtest"}},
	{"agent/ledger/...", []string{"agent/ledger/pg/pgtest"}},              // servers of a test
	{"agent/audit", []string{"agent/passkey"}},                            // it makes approvals to check
	{"agent/service", []string{"agent/client", "agent/ledger/pg/pgtest"}}, // an application asks the wallet that runs
	{"agent/harden", []string{"agent", "agent/control", "agent/ledger"}},  // what an agent does with files
	{"agent/yamlnode", []string{"agent/config", "agent/policy"}},          // they read the same YAML alike
}

// narrow packages import less of the module than their folder may: only what stands here.
var narrow = map[string][]string{
	// The ground: rules that every folder needs, each of them once. They use the standard library
	// alone, so that everything can stand on them; only locking needs a system call beyond it, on
	// Windows.
	"protocol/host":     nil,
	"protocol/plain":    nil,
	"protocol/secret":   nil,
	"protocol/sorts":    nil,
	"keystore/access":   nil,
	"keystore/durable":  nil,
	"keystore/linejson": nil,
	"keystore/filelock": nil,
	// They judge transactions by the protocol, not by our own idea of a node.
	"agent/node/memchain": {"protocol/..."},
	"agent/node/nodetest": {"agent/node/memchain", "protocol/..."},
	// They read what happened and say it in words. Neither comes near a key.
	"agent/audit":       {"agent/difftext", "agent/ledger", "agent/policy", "agent/approve", "protocol/..."},
	"agent/difftext":    {"agent/effect", "agent/policy"},
	"agent/effect":      {"protocol/..."},
	"agent/kernelclock": nil,
	"agent/certificate": {"keystore/access"},
	"agent/outage":      {"protocol/host"},
	// It knows nothing of ledgers, and nothing of this wallet.
	"agent/ledger/pg": {"protocol/secret"},
	// It judges what a browser says, and knows nothing of what is approved.
	"agent/passkey": {"keystore/linejson", "protocol/plain"},
	// It tells what it is told, and knows neither ledger nor policy.
	"agent/notify": {"agent/outage", "keystore", "protocol/host", "protocol/plain", "protocol/sorts"},
	// The page has no keys, and is linked with nothing that comes near one.
	"cmd/pksa-console": {"agent/certificate", "agent/control", "keystore/access", "protocol/host", "protocol/plain"},
	// It knows neither settings nor rules.
	"agent/yamlnode": {"protocol/plain", "protocol/sorts"},
}

// thirdParty says which packages may import a module, by path; "/..." takes in what is below. A
// module that is missing here is a new dependency, and a decision.
var thirdParty = map[string][]string{
	// The program that measures the wallet asks it without the checks of agent/client, and measures
	// a signature without the check of protocol/hive.
	"github.com/coder/websocket":        {"agent/link", "agent/relay/...", "agent/client", "cmd/pksa-bench"},
	"github.com/btcsuite/btcd/btcec/v2": {"protocol/hive", "cmd/pksa-bench"},
	"github.com/cenkalti/backoff/v4":    {"agent/link", "agent/node", "agent/notify"},
	"gopkg.in/yaml.v3":                  {"agent/yamlnode"},
	"filippo.io/age":                    {"keystore", "keystore/plugintest"},
	"go.etcd.io/bbolt":                  {"agent/ledger"},
	"github.com/jackc/pgx/v5":           {"agent/ledger/pg"},
	"github.com/go-json-experiment/json": {"protocol", "protocol/hive", "agent/client/...", "agent/node/...",
		"agent/control"},
	"golang.org/x/crypto":                 {"protocol/hive"},
	"golang.org/x/term":                   {"cmd/..."},
	"golang.org/x/sys":                    {"agent/harden", "agent/control", "agent/ledger", "keystore/filelock"},
	"github.com/spf13/cobra":              {"cmd/..."},
	"github.com/landlock-lsm/go-landlock": {"agent/harden"},
	"github.com/rogpeppe/go-internal":     nil, // tests
}

// edge is one import: both ends are paths below the module, to is a full path when it leads
// outside.
type edge struct {
	from, to string
	test     bool
}

// complaint returns what is wrong with an import, "" if nothing is.
func (e edge) complaint() string {
	to, inside := strings.CutPrefix(e.to, module+"/")
	switch {
	case inside:
		return e.insideComplaint(to)
	case !strings.Contains(strings.Split(e.to, "/")[0], "."):
		return "" // the standard library
	}
	for name, users := range thirdParty {
		if e.to != name && !strings.HasPrefix(e.to, name+"/") {
			continue
		}
		if e.test || matchesAny(users, e.from) {
			return ""
		}
		return fmt.Sprintf("%s may not import %s, only %v may", e.from, e.to, users)
	}
	return fmt.Sprintf("%s imports %s, which is no dependency of this project", e.from, e.to)
}

func (e edge) insideComplaint(to string) string {
	if to == e.from { // the test of a package from outside
		return ""
	}
	if only, ok := narrow[e.from]; ok && !e.test && !matchesAny(only, to) {
		return fmt.Sprintf("%s may not import %s: it imports nothing of the module but %v", e.from, to, only)
	}
	allowed := rows
	if e.test {
		allowed = append(slices.Clip(rows), testRows...)
	}
	for _, r := range allowed {
		if matches(r.from, e.from) && matchesAny(r.to, to) {
			return ""
		}
	}
	return fmt.Sprintf("%s may not import %s: no row of the table allows it", e.from, to)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, name) })
}

func matches(pattern, name string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return name == base || below && strings.HasPrefix(name, base+"/")
}

func TestImportRules(t *testing.T) {
	for _, good := range []edge{
		{from: "protocol", to: "pksa/protocol/hive"},
		{from: "protocol", to: "go/ast"},
		{from: "keystore", to: "pksa/protocol/hive"},
		{from: "protocol/hive", to: "pksa/protocol/secret"},
		{from: "protocol/hive", to: "pksa/protocol/hive", test: true},
		{from: "keystore", to: "pksa/protocol/secret"},
		{from: "agent/policy", to: "pksa/protocol/plain"},
		{from: "agent", to: "pksa/agent/link"},
		{from: "agent/policy", to: "pksa/agent/yamlnode"},
		{from: "agent/yamlnode", to: "pksa/agent/config", test: true},
		{from: "agent/audit", to: "pksa/agent/policy"},
		{from: "agent/harden", to: "pksa/agent/config"},
		{from: "agent/harden", to: "pksa/agent", test: true},
		{from: "agent/client", to: "pksa/protocol"},
		{from: "agent/relay/relaytest", to: "pksa/agent/relay"},
		{from: "agent/link", to: "pksa/agent/relay/relaytest", test: true},
		{from: "agent/client", to: "pksa/agent/relay", test: true},
		{from: "agent/link", to: "pksa/agent/link", test: true},
		{from: "cmd/pksa", to: "pksa/agent/ledger"},
		{from: "cmd/pksa", to: "github.com/spf13/cobra/doc"},
		{from: "protocol/hive", to: "golang.org/x/crypto/ripemd160"},
		{from: "cmd/pksa", to: "github.com/rogpeppe/go-internal/testscript", test: true},
		{from: "examples/bot", to: "pksa/agent/client"},
	} {
		if complaint := good.complaint(); complaint != "" {
			t.Errorf("%+v: %s", good, complaint)
		}
	}
	for _, bad := range []edge{
		{from: "protocol", to: "pksa/keystore"},
		{from: "protocol", to: "pksa/agent/policy", test: true},
		{from: "protocol/hive", to: "pksa/protocol"},
		{from: "protocol/seal", to: "pksa/protocol/hive"},
		{from: "protocol/plain", to: "pksa/protocol/host"},
		{from: "protocol/plain", to: "github.com/go-json-experiment/json"},
		{from: "keystore", to: "pksa/agent"},
		{from: "keystore", to: "pksa/cmd/pksa"},
		{from: "agent", to: "pksa/cmd/pksa"},
		{from: "agent/ledger", to: "pksa/agent/policy"},
		{from: "agent/audit", to: "pksa/agent/node"},
		{from: "agent/audit", to: "pksa/keystore"},
		{from: "agent/effect", to: "pksa/agent/policy"},
		{from: "agent/harden", to: "pksa/agent"},
		{from: "agent/ledger", to: "pksa/agent"},
		{from: "agent/link", to: "pksa/agent/relay/relaytest"},
		{from: "agent/client", to: "pksa/agent/relay"},
		{from: "agent/link", to: "pksa/agent/node", test: true},
		{from: "agent/node/nodetest", to: "pksa/agent/node"},
		{from: "agent/node/nodetest", to: "pksa/keystore"},
		{from: "agent/relay", to: "pksa/agent/relay/relaytest"},
		{from: "examples/bot", to: "pksa/cmd/pksa"},
		{from: "keystore", to: "golang.org/x/crypto/scrypt"},
		{from: "agent/policy", to: "github.com/coder/websocket"},
		{from: "agent/policy", to: "gopkg.in/yaml.v3"},
		{from: "agent/yamlnode", to: "pksa/agent/policy"},
		{from: "agent/link", to: "golang.org/x/sys/unix"},
		{from: "agent/link", to: "github.com/coder/websocketry"},
		{from: "agent/link", to: "example.com/left/pad", test: true},
		{from: "cmd/pksa", to: "github.com/rogpeppe/go-internal/testscript"},
		{from: "internal", to: "pksa/protocol"},
	} {
		if bad.complaint() == "" {
			t.Errorf("%+v: no complaint", bad)
		}
	}
}

// demoOnly are what the demonstration needs and the wallet does not: an honest chain in memory, and
// a relay whose frames can be kept and repeated.
var demoOnly = []string{"agent/node/memchain", "agent/relay/wire"}

// TestProgramLinksNoTestKit follows the imports of the program that holds the keys, on whatever
// system it is built: no adversary, no fault injector and no test library is in it. In the wallet
// proper there is not even what the demonstration runs.
func TestProgramLinksNoTestKit(t *testing.T) {
	imports := map[string][]string{}
	for _, s := range sources(t) {
		if !s.test() {
			imports[s.dir] = append(imports[s.dir], s.imports()...)
		}
	}
	for _, tt := range []struct {
		program string
		has     string // so that the test looks at something
		never   []string
	}{
		{"cmd/pksa", "agent/ledger", nil},
		{"agent/service", "keystore", demoOnly},
	} {
		linked := map[string]bool{}
		for queue := []string{tt.program}; len(queue) > 0; queue = queue[1:] {
			dir := queue[0]
			if linked[dir] {
				continue
			}
			linked[dir] = true
			for _, to := range imports[dir] {
				if inside, ok := strings.CutPrefix(to, module+"/"); ok {
					queue = append(queue, inside)
				} else if forTests(to) {
					t.Errorf("%s links %s, which imports %s", tt.program, dir, to)
				}
			}
			if strings.HasSuffix(dir, "test") || slices.Contains(tt.never, dir) {
				t.Errorf("%s links %s", tt.program, dir)
			}
		}
		if !linked[tt.has] {
			t.Errorf("%s does not link %s: imports are not followed", tt.program, tt.has)
		}
	}
}

// forTests reports whether a package outside the module is one that only tests use.
func forTests(to string) bool {
	for name, users := range thirdParty {
		if users == nil && (to == name || strings.HasPrefix(to, name+"/")) {
			return true
		}
	}
	return to == "testing" || strings.HasPrefix(to, "testing/") || strings.HasSuffix(to, "test") // httptest, iotest
}

// pure are the packages where the same input gives the same output: no clock, no goroutine, no
// input or output, no randomness of their own.
var pure = []string{"protocol/...", "agent/policy/...", "agent/yamlnode", "agent/passkey"}

var impureImports = []string{"os", "os/exec", "io/ioutil", "net", "net/http", "log", "syscall", "math/rand",
	"math/rand/v2", "crypto/rand", "testing"}

var impureCalls = []string{"time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc",
	"time.NewTimer", "time.NewTicker", "time.Tick"}

// source is one Go file of the module.
type source struct {
	name string // from the root of the module
	dir  string // the same of its package
	file *ast.File
	set  *token.FileSet
}

func (s source) test() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) imports() (paths []string) {
	for _, spec := range s.file.Imports {
		text, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // unreachable: the file was parsed
		}
		paths = append(paths, text)
	}
	return paths
}

// sources parses every Go file of the module, whatever its build constraints. Folders of other
// modules, of test data and of tools are left out.
func sources(t *testing.T) (all []source) {
	t.Helper()
	root := ".."
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != root && skipped(name, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
		all = append(all, source{name: name, dir: path.Dir(name), file: file, set: set})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d Go files found", len(all))
	}
	return all
}

func skipped(name, base string) bool {
	if base == "testdata" || base == "vendor" || base == "node_modules" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(folders, strings.Split(s.dir, "/")[0]) {
			t.Errorf("%s: no folder for Go code; there are %v", s.name, folders)
		}
		for _, to := range s.imports() {
			if complaint := (edge{from: s.dir, to: to, test: s.test()}).complaint(); complaint != "" {
				t.Errorf("%s: %s", s.name, complaint)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || !matchesAny(pure, s.dir) {
			continue
		}
		for _, to := range s.imports() {
			if slices.Contains(impureImports, to) {
				t.Errorf("%s: imports %s", s.name, to)
			}
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if what := impurity(node); what != "" {
				t.Errorf("%s: %s", s.set.Position(node.Pos()), what)
			}
			return true
		})
	}
}

// impurity names what makes a node impure, "" if nothing does.
func impurity(node ast.Node) string {
	switch node := node.(type) {
	case *ast.GoStmt:
		return "a goroutine"
	case *ast.SelectorExpr:
		if of, ok := node.X.(*ast.Ident); ok {
			if name := of.Name + "." + node.Sel.Name; slices.Contains(impureCalls, name) {
				return name
			}
		}
	}
	return ""
}

func TestImpurity(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go",
		"package x\nfunc f() { go f(); g(time.Now); time.Until(t); time.Unix(1, 2); now.After(t) }", 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(node ast.Node) bool {
		if what := impurity(node); what != "" {
			found = append(found, what)
		}
		return true
	})
	if want := []string{"a goroutine", "time.Now", "time.Until"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
}

func TestPackagesHaveDocs(t *testing.T) {
	docs := map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		opening := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			opening = "Command "
		}
		docs[s.dir] = docs[s.dir] || strings.HasPrefix(s.file.Doc.Text(), opening)
	}
	for dir, documented := range docs {
		if !documented {
			t.Errorf("%s: no comment that begins with Package and its name, or Command for a main package", dir)
		}
	}
}
