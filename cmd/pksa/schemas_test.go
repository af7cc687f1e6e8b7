package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/doctor"
	"pksa/agent/guard"
	"pksa/agent/ledger"
	"pksa/agent/lock"
	"pksa/agent/notify"
	"pksa/agent/policy"
	"pksa/agent/probe"
	"pksa/agent/refund"
)

// schemaFolder holds the schemas of what --json prints, a file for each command.
const schemaFolder = "../../examples/docs/schemas"

// What some commands print has no type in the program. What their members mean stands here.
type (
	initOutput struct {
		Home     string   `json:"home"`
		Made     []string `json:"made"`                // files that were not there
		Already  bool     `json:"already"`             // nothing was made
		SetAside []string `json:"set_aside,omitempty"` // with --set-aside: what has another name now
	}
	importOutput struct {
		New       int      `json:"new"`
		Replaced  int      `json:"replaced"`
		Unchanged int      `json:"unchanged"` // were there already
		Imported  []string `json:"imported"`  // as alice/posting
		Already   []string `json:"already"`
	}
	appRemoveOutput struct {
		App           string `json:"app"`
		SessionsEnded int    `json:"sessions_ended"`
	}
	approverRemoveOutput struct {
		Name    string `json:"name"`
		Removed bool   `json:"removed"` // true always
	}
	keysRemoveOutput struct {
		Account string   `json:"account"`
		Roles   []string `json:"roles"`
	}
	passwdOutput struct {
		Keystore string `json:"keystore"`
		Unlock   string `json:"unlock"` // what opens it from now on
	}
	ledgerNewOutput struct {
		Ledger   string   `json:"ledger"`
		SetAside []string `json:"set_aside,omitempty"` // with --set-aside: what has another name now
	}
	ledgerAcceptOutput struct {
		Ledger        string `json:"ledger"`
		LastRecord    uint64 `json:"last_record"`
		Mark          uint64 `json:"mark"` // the last record that the mark knows
		SessionsEnded int    `json:"sessions_ended"`
		// Their secrets count no more.
		AppsClosed   []string `json:"apps_closed"`
		LimitsUsedUp bool     `json:"limits_used_up"` // each limit, until its window has passed
		// They approve nothing any more.
		ApproversRemoved []string `json:"approvers_removed"`
	}
	backupOutput struct {
		File       string    `json:"file"`
		Made       time.Time `json:"made"`
		LastRecord uint64    `json:"last_record"` // of the audit trail, up to which all is in it
		Segments   int       `json:"segments"`    // of the audit trail
		Bytes      int64     `json:"bytes"`       // before encryption
		Unlock     string    `json:"unlock"`      // where that is which opens the backup
	}
	backupCheckOutput struct {
		backupOutput
		Home string `json:"home"` // of the wallet
	}
	restoreOutput struct {
		Home          string    `json:"home"`
		Made          time.Time `json:"made"`   // the backup
		Unlock        string    `json:"unlock"` // where what opens it was
		LastRecord    uint64    `json:"last_record"`
		SessionsEnded int       `json:"sessions_ended"`
		Elsewhere     []string  `json:"elsewhere"` // what the settings look for at other places
		// Their secrets count no more.
		AppsClosed   []string `json:"apps_closed"`
		LimitsUsedUp bool     `json:"limits_used_up"` // each limit, until its window has passed
		// They approve nothing any more.
		ApproversRemoved []string `json:"approvers_removed"`
	}
	ledgerMoveOutput struct {
		Ledger     string `json:"ledger"`      // where it is now: what the setting ledger is to be
		LastRecord uint64 `json:"last_record"` // of the audit trail
		Segments   int    `json:"segments"`    // of the audit trail, that were copied
		Values     int    `json:"values"`      // that were copied
		GoesOn     bool   `json:"goes_on"`     // an earlier call had copied all, and was cut off
	}
	ledgerMovedOutput struct {
		Ledger     string `json:"ledger"`
		HadYielded bool   `json:"had_yielded"`
	}
	ledgerClockOutput struct {
		Ledger        string    `json:"ledger"`
		LedBack       bool      `json:"led_back"`
		Was           time.Time `json:"was,omitempty"` // the time of the last record
		Now           time.Time `json:"now,omitempty"`
		ConfirmedBy   string    `json:"confirmed_by,omitempty"`
		SessionsEnded int       `json:"sessions_ended,omitempty"`
	}
	ledgerMendOutput struct {
		Ledger        string   `json:"ledger"`
		Restored      []string `json:"restored"`
		Lost          []loss   `json:"lost"`
		NoncesFloor   bool     `json:"nonces_floor"`   // no nonce up to now counts
		LimitsUsedUp  bool     `json:"limits_used_up"` // each limit, until its window has passed
		SessionsEnded int      `json:"sessions_ended"`
	}
	decisionOutput struct {
		Number   uint64 `json:"number"`
		Approved bool   `json:"approved"`
	}
	releaseOutput struct {
		Session ledger.SessionID `json:"session,omitempty"`
		App     string           `json:"app,omitempty"` // with --app
	}
	recordsOutput struct {
		Records []audit.Record `json:"records"`
	}
	whyOutput struct {
		Number uint64    `json:"number"`
		Why    []whyLine `json:"why"`
	}
	manOutput struct {
		Files []string `json:"files"`
	}
	liveOutput struct {
		Alive bool `json:"alive"`
	}
	configCheckOutput struct {
		File     string           `json:"file"`
		OK       bool             `json:"ok"`
		Problems []settingProblem `json:"problems"`
	}
	configShowOutput struct {
		Home     string         `json:"home"`
		Settings []config.Shown `json:"settings"`
		// InForce are those that have another value in the agent that runs; missing if none does.
		InForce []inForce `json:"in_force,omitempty"`
	}
	demoLine struct {
		From string `json:"from,omitempty"`
		To   string `json:"to,omitempty"`
		Text string `json:"text"`
	}
	demoOutput struct {
		Step  int            `json:"step"`
		Name  string         `json:"name"`
		Title string         `json:"title"`
		OK    bool           `json:"ok"`
		Lines []demoLine     `json:"lines"`           // who says what to whom; without a sender an explanation
		Facts map[string]any `json:"facts,omitempty"` // such as the id of a transaction
		Error string         `json:"error,omitempty"`
		MS    int64          `json:"ms"` // how long it took
	}
	// errorOutput is printed to standard error, whatever the command.
	errorOutput struct {
		Error string `json:"error"`
		Hint  string `json:"hint,omitempty"` // what to do
	}
)

// outputs is what each command prints with --json. Several values are alternatives.
var outputs = map[string][]any{
	"app add": {agent.AppInfo{}}, "app answers": {agent.AppInfo{}}, "app list": {[]agent.AppInfo{}},
	"app rotate": {agent.AppInfo{}}, "app remove": {appRemoveOutput{}},
	"apply": {applied{}}, "approve": {decisionOutput{}}, "deny": {decisionOutput{}},
	"audit export": {audit.Record{}}, "audit find": {recordsOutput{}}, "audit show": {recordsOutput{}},
	"audit tail": {[]audit.Record{}, audit.Record{}}, "audit verify": {audit.Verified{}},
	"backup": {backupOutput{}}, "backup check": {backupCheckOutput{}}, "restore": {restoreOutput{}},
	"canary": {[]probe.Canary{}}, "config check": {configCheckOutput{}}, "config show": {configShowOutput{}},
	"demo": {demoOutput{}}, "doctor": {doctor.Report{}}, "init": {initOutput{}},
	"approver add": {approve.Invitation{}}, "approver list": {[]approve.ApproverInfo{}},
	"approver remove": {approverRemoveOutput{}},
	"guard list":      {[]guard.Standing{}}, "guard accept": {guard.Standing{}},
	"keys check": {[]agent.KeyCheck{}}, "keys import": {importOutput{}}, "keys list": {[]keyInfo{}},
	"keys passwd": {passwdOutput{}}, "keys remove": {keysRemoveOutput{}}, "keys rotate": {rotated{}},
	"keystore passwd": {passwdOutput{}}, "keystore recipients add": {recipientChange{}},
	"keystore recipients remove": {recipientChange{}}, "keystore recipients list": {[]recipient{}},
	"ledger accept": {ledgerAcceptOutput{}}, "ledger clock": {ledgerClockOutput{}},
	"ledger mend": {ledgerMendOutput{}}, "ledger move": {ledgerMoveOutput{}}, "ledger moved": {ledgerMovedOutput{}},
	"ledger new": {ledgerNewOutput{}},
	"limit list": {limitsShown{}}, "limit release": {refund.Charge{}}, "man": {manOutput{}}, "migrate": {migrated{}},
	"pair":         {agent.SessionInfo{}},
	"pending":      {[]agent.PendingRequest{}, []agent.PendingLogin{}, agent.PendingRequest{}},
	"policy check": {checkResult{}}, "policy explain": {audit.Explained{}}, "policy reload": {agent.PolicyStatus{}},
	"reload": {agent.Reloaded{}}, "pause": {agent.Paused{}}, "resume": {agent.Paused{}},
	"lock": {lock.Status{}}, "unlock": {lock.Status{}},
	"notify test": {[]notify.Tested{}},
	"policy diff": {policy.Diff{}}, "policy accept": {acceptedPolicy{}},
	"policy fmt": {[]formattedFile{}}, "policy observed": {audit.Observations{}},
	"policy replay": {audit.Replayed{}}, "policy suggest": {suggested{}}, "policy test": {[]tested{}},
	"session add": {agent.SessionInfo{}}, "session forget": {agent.EndedInfo{}},
	"session list":    {[]agent.SessionInfo{}, []agent.EndedInfo{}},
	"session release": {releaseOutput{}}, "session revoke": {agent.SessionInfo{}, agent.Revoked{}},
	"status": {agent.Status{}, liveOutput{}}, "version": {versionInfo{}}, "why": {whyOutput{}},
	"error": {errorOutput{}},
}

// noOutput are commands that print no JSON of their own, with the reason.
var noOutput = map[string]string{
	"run": "it logs", "relay": "it logs", "completion": "a script", "help": "a text",
	"policy schema": "a schema itself",
}

// schemaFile returns the name of the schema of what a command prints.
func schemaFile(command string) string {
	return "pksa-" + strings.ReplaceAll(command, " ", "-") + ".json"
}

// outputSchema returns the schema of what a command prints.
func outputSchema(command string, comments func(string) map[string]string) *schema {
	g := &generator{map[string]*schema{}, comments}
	made := &schema{Schema: "https://json-schema.org/draft/2020-12/schema", ID: schemaFile(command),
		Title: "What `pksa " + command + " --json` prints", Defs: g.defs}
	if command == "error" {
		made.Title = "What any command prints to standard error with --json when it fails"
	}
	types := outputs[command]
	if len(types) == 1 {
		one := g.schemaOf(reflect.TypeOf(types[0]))
		made.Ref, made.Type, made.Items = one.Ref, one.Type, one.Items
		return made
	}
	if command == "pending" { // one list has both
		both := []*schema{g.schemaOf(reflect.TypeFor[agent.PendingRequest]()),
			g.schemaOf(reflect.TypeFor[agent.PendingLogin]())}
		made.OneOf = []*schema{{Type: "array", Items: &schema{OneOf: both}}, both[0]}
		return made
	}
	for _, value := range types {
		made.OneOf = append(made.OneOf, g.schemaOf(reflect.TypeOf(value)))
	}
	return made
}

// The schemas are those of the types that the commands print. `go test ./cmd/pksa -run
// TestSchemas -update` writes them.
func TestSchemas(t *testing.T) {
	comments := commentsOf(t)
	for command := range outputs {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(outputSchema(command, comments)); err != nil {
			t.Fatal(err)
		}
		want := text.Bytes()
		file := filepath.Join(schemaFolder, schemaFile(command))
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s prints (%v): go test ./cmd/pksa -run TestSchemas -update", file, command, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(schemaFolder, "*.json"))
	if err != nil || len(files) != len(outputs) {
		t.Errorf("%d schemas for %d commands: %v", len(files), len(outputs), err)
	}
}

// Each command that prints something has a schema, and a script or test that runs it with --json:
// what is printed then is held against the schema, see scriptMain.
func TestEveryOutputHasSchema(t *testing.T) {
	scripts := scriptTexts(t)
	for _, cmd := range commands(new(command).root()) {
		path := strings.TrimPrefix(cmd.CommandPath(), "pksa ")
		if !cmd.HasParent() || cmd.HasSubCommands() || cmd.Parent().Name() == "completion" || noOutput[path] != "" {
			continue
		}
		if outputs[path] == nil {
			t.Errorf("what %s prints has no schema: it belongs into outputs", path)
		}
		line := regexp.MustCompile(`(?m)^(?:status \d )?(?:! )?exec pksa (?:--home \S+ )?` + path + `\b.*--json`)
		if path != "audit export" && !line.MatchString(scripts) && shownElsewhere[path] == "" {
			t.Errorf("no script runs %s --json", path)
		}
	}
}

// shownElsewhere are commands whose output a test of this package holds against its schema.
var shownElsewhere = map[string]string{
	"approver add": "TestOutputsOfAgent", "approver list": "TestOutputsOfAgent",
	"approver remove": "TestOutputsOfAgent",
	"guard list":      "TestOutputsOfAgent", "guard accept": "TestOutputsOfAgent", "approve": "TestOutputsOfAgent",
	"deny": "TestOutputsOfAgent", "limit release": "TestOutputsOfAgent",
	"session release": "TestOutputsOfAgent", "audit export": "TestScripts/json, where it needs no --json",
}

// What takes much to bring about is told by an agent that has it all.
func TestOutputsOfAgent(t *testing.T) {
	now := time.Now()
	charge := refund.Charge{Number: 12, App: "tipbot", Account: "alice", TxID: strings.Repeat("ab", 20),
		State: "not on the chain", Charges: []policy.Charge{{Limit: "tips", Unit: "HBD", Amount: "1.1"}}}
	waits := agent.PendingRequest{Number: 7, Since: now, Until: now, Kind: "sign", Account: "alice", App: "tipbot",
		KeyType: "active", Effects: []string{"votes"}, Operations: []string{"{}"}, Reason: "a rule asks"}
	login := agent.PendingLogin{Account: "alice", Kind: "auth", WaitsFor: "link", Relay: "wss://relay.example",
		UUID: "u", Since: now, Until: now}
	changed := guard.Standing{Account: "alice", Changes: []guard.Change{{}}}
	answer := func(result any) control.Handler {
		return func(context.Context, []byte) (any, error) { return result, nil }
	}
	home := serveMethods(t, map[string]control.Handler{
		agent.MethodStatus:       answer(agent.Status{Policy: agent.PolicyStatus{Room: []policy.Room{{Unit: "HBD"}}}}),
		agent.MethodLimitList:    answer([]refund.Charge{charge}),
		agent.MethodLimitRelease: answer(charge), agent.MethodDecide: answer(struct{}{}),
		agent.MethodRelease: answer(struct{}{}), agent.MethodPending: answer([]agent.PendingRequest{waits}),
		agent.MethodPendingWhole: answer(waits),
		agent.MethodGuardList:    answer([]guard.Standing{changed}), agent.MethodGuardAccept: answer(changed),
		agent.MethodLogins:      answer([]agent.PendingLogin{login}),
		agent.MethodApproverAdd: answer(approve.Invitation{Name: "anna", Code: "x", Link: "https://a.example/enrol#x"}),
		agent.MethodApproverList: answer([]approve.ApproverInfo{{Name: "anna", Fingerprint: "1234 5678", Enrolled: now,
			RPID: "a.example", Elsewhere: true}}),
		agent.MethodApproverRemove: answer(struct{}{}),
	})
	for _, line := range []string{"approve 7", "deny 7", "pending", "pending 7", "limit list", "limit release 12 --yes",
		"session release 5", "session release --app tipbot", "status",
		"guard list", "guard accept alice", "approver add anna", "approver list", "approver remove anna"} {
		status, out, said := pksa(t, home, append(strings.Fields(line), "--json")...)
		if status != exitOK || out == "" {
			t.Errorf("%s: status %d: %s", line, status, said)
		}
	}
}

// A value that lacks a member, or has one more, does not fit.
func TestSchemaRefuses(t *testing.T) {
	s := outputSchema("keys list", nil)
	for text, want := range map[string]string{
		`[{"account": "a", "role": "r", "public": "p"}]`:         "[]",
		`[{"account": "a", "role": "r"}]`:                        "[$[0]: it has no public]",
		`[{"account": "a", "role": "r", "public": "p", "x": 1}]`: "[$[0]: x is not documented]",
		`[{"account": 1, "role": "r", "public": "p"}]`:           "[$[0].account: it is integer, and not [string]]",
		`{}`: "[$: it is object, and not [array null]]",
	} {
		if got := fmt.Sprint(misfit(s, []byte(text))); got != want && got != strings.Replace(want, " null", "", 1) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if complaints := misfit(outputSchema("version", nil), []byte(`{"version": "v1", "go": "go1", "x": null}`)); len(
		complaints) < 2 {
		t.Errorf("%q", complaints)
	}
}

// printedBy returns how what a command line printed as JSON differs from the schema.
func printedBy(args []string, out, errs []byte) []string {
	cmd, _, err := new(command).root().Find(args)
	if err != nil || !cmd.HasParent() {
		return nil
	}
	path := strings.TrimPrefix(cmd.CommandPath(), "pksa ")
	var complaints []string
	if outputs[path] != nil && len(bytes.TrimSpace(out)) > 0 {
		complaints = misfit(outputSchema(path, nil), out)
	}
	for line := range bytes.Lines(errs) {
		if bytes.HasPrefix(line, []byte(`{"error"`)) {
			complaints = append(complaints, misfit(outputSchema("error", nil), line)...)
		}
	}
	return complaints
}
