// Package doctor tries for real what can be wrong with a wallet, and says what it means and what to
// do about it. Start with [Run].
//
// # What it promises
//
// While an agent runs it is asked for what only it knows: links, canary, backlog, limits without
// room. The keystore is not unlocked then. Without one, keystore and ledger are opened as every
// command opens them, each relay is dialled and the accounts are registered there for some seconds.
//
// It answers no request of others, and signs nothing but the proofs of key that registration, and
// its answer to itself, need. What it sends itself through a relay bears the mark of a probe, so no
// application is disturbed. One of
// these requests opens for another copy of the wallet, which answers it and is named. The doctor
// answers no probe of that copy, and so is never taken for one.
//
// Nothing is changed: the files that measure the disk are removed again, and no record is written.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/harden"
	"pksa/agent/kernelclock"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/service"
	"pksa/keystore"
	"pksa/keystore/access"
	"pksa/protocol/hive"
)

// Options are what [Run] needs. Config, Call, OpenKeys and OpenLedger must be set.
type Options struct {
	Config *config.Config
	// Unusable is why the settings cannot be used; Config is then what holds without them. Missing
	// is why there is no wallet in the home folder. With one of them nothing is looked at but what
	// a running agent says. nil: they can be used, and there is a wallet.
	Unusable, Missing error
	// Call calls a method of the running agent. Its error is [control.ErrNoAgent] if none runs, and
	// [control.ErrNoAnswer] if one does not answer before the end of the context.
	Call func(ctx context.Context, method string, params, result any) error
	// OpenKeys and OpenLedger are called only while no agent runs. Run closes what they return.
	OpenKeys   func(context.Context) (*keystore.Store, error)
	OpenLedger func(*keystore.Store) (*ledger.Ledger, error)
	// LookAtDatabase looks at the database that the ledger is in, if the settings name one; nil: as
	// [ledger.LookAtDatabase].
	LookAtDatabase func(context.Context) (ledger.DatabaseState, error)

	// Dial connects to relays, Resolve finds the addresses of a host, Transport carries requests to
	// nodes; nil is the network. TLS is the configuration towards relays; nil is the system's.
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Resolve   func(ctx context.Context, host string) error
	Transport http.RoundTripper
	TLS       *tls.Config
	// Listen opens the addresses that a start would listen at, for a moment; nil: as [net.Listen].
	Listen func(network, address string) (net.Listener, error)
	// Notify reaches the servers of notifiers; nil is the network.
	Notify http.RoundTripper

	// Foresee returns what protects a process least here, as [harden.Foresee], which nil is.
	Foresee func() []harden.Measure

	// Kernel says whether the kernel's clock is kept right; nil asks the kernel. Files are those of
	// the machine, by their paths without the first slash. Place returns where the process runs,
	// Sync how long the disk of a folder takes to keep a few bytes; nil looks.
	Kernel func() error
	Files  fs.FS
	Place  func(folder string) Place
	Sync   func(folder string) (time.Duration, error)

	// Progress, if set, is called before each check with its name.
	Progress func(check string)
}

func (o Options) withDefaults() Options {
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) error {
			_, err := net.DefaultResolver.LookupHost(ctx, host)
			return err
		}
	}
	if o.LookAtDatabase == nil {
		o.LookAtDatabase = func(ctx context.Context) (ledger.DatabaseState, error) {
			return ledger.LookAtDatabase(ctx, service.Database(o.Config))
		}
	}
	if o.Listen == nil {
		o.Listen = net.Listen
	}
	if o.Kernel == nil {
		o.Kernel = kernelclock.Synchronised
	}
	if o.Foresee == nil {
		o.Foresee = harden.Foresee
	}
	if o.Files == nil {
		o.Files = os.DirFS("/")
	}
	if o.Place == nil {
		o.Place = place
	}
	if o.Sync == nil {
		o.Sync = syncTime
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// checks are made in this order: what a later one needs is found by an earlier one.
var checks = []struct {
	name string
	run  func(*examiner, context.Context) bool // reports whether it could be made
}{
	{"home", (*examiner).home},
	{"unlock", (*examiner).unlock},
	{"agent", (*examiner).agentState},
	{"place", (*examiner).placeOf},
	{"keystore", (*examiner).keystore},
	{"database", (*examiner).database},
	{"ledger", (*examiner).ledgerState},
	{"disk", (*examiner).disk},
	{"listen", (*examiner).listen},
	{"console", (*examiner).console},
	{"hardening", (*examiner).hardening},
	{"policy", (*examiner).policy},
	{"nodes", (*examiner).nodes},
	{"clock", (*examiner).clock},
	{"keys", (*examiner).keysOnChain},
	{"relays", (*examiner).relays},
	{"canary", (*examiner).canary},
	{"notifiers", (*examiner).notifiers},
}

// Checks returns the names of the checks, in their order.
func Checks() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// examiner is one run. A field that a check fills is nil or zero if that could not be had.
type examiner struct {
	o      Options
	report Report
	name   string // of the check that runs

	network *hive.Network
	gone    bool          // the file whose settings the running agent has is there no more
	running error         // why an agent runs and does not say how it stands; nil: it does, or none runs
	status  *agent.Status // of the running agent
	refused []string      // the paths whose owner or mode was found wrong
	told    []string      // what was found wrong with them
	closed  bool          // the keystore was tried, and not opened
	away    bool          // the ledger's database cannot be entered, or another wallet leads; told
	fixed   bool          // the home folder is mounted read-only, which was told
	keys    *keystore.Store
	noNode  bool                          // none can be used, which was told
	wrong   map[hive.AccountName][]string // the roles of keys that do not fit the chain, by account
	fits    map[hive.AccountName]bool     // by account that was compared: a key that may prove it fits
	later   []consequence
	ledger  *ledger.Ledger
	rules   *policy.Policy
	trials  []trial
}

// Run makes all checks. It returns when everything that it started has returned.
func Run(ctx context.Context, o Options) Report {
	e := &examiner{o: o.withDefaults(), report: Report{Version: 1, Findings: []Finding{}},
		wrong: map[hive.AccountName][]string{}, fits: map[hive.AccountName]bool{}}
	defer e.close()
	e.network, _ = service.Network(o.Config)
	e.ask(ctx)
	for _, c := range checks {
		if ctx.Err() != nil {
			break
		}
		if !e.made(c.name) {
			e.report.Checks = append(e.report.Checks, Checked{c.name, Skipped, 0})
			continue
		}
		e.name = c.name
		e.o.Progress(c.name)
		begun, state := time.Now(), Done
		if !c.run(e, ctx) {
			state = Skipped
		}
		e.report.Checks = append(e.report.Checks, Checked{c.name, state, time.Since(begun).Milliseconds()})
	}
	for _, c := range e.later {
		if !slices.ContainsFunc(e.report.Findings, func(f Finding) bool {
			return f.Level == Error && slices.Contains(c.of, f.Check)
		}) {
			e.report.Add(c.finding)
		}
	}
	e.report.Agent = e.status != nil
	return e.report
}

// consequence is a finding that is told only if no error of the checks that it follows from is.
type consequence struct {
	finding Finding
	of      []string
}

func (e *examiner) close() {
	if e.ledger != nil {
		_ = e.ledger.Close() // nothing was written
	}
	if e.keys != nil {
		e.keys.Close()
	}
}

// found adds a finding of the check that runs.
func (e *examiner) found(f Finding) {
	f.Check = e.name
	e.report.Add(f)
}

// fault adds an error as a finding of the check that runs; nil adds nothing. A file or folder with
// a wrong owner or mode is told once, by the check that meets it first: others meet it, too. So is
// a volume that is mounted read-only.
func (e *examiner) fault(err error, meaning string) {
	if err == nil || e.fixed && errors.Is(err, syscall.EROFS) {
		return
	}
	var wrong *access.Error
	if errors.As(err, &wrong) {
		if slices.Contains(e.refused, wrong.Path) {
			return
		}
		e.refused, e.told = append(e.refused, wrong.Path), append(e.told, wrong.Error())
	}
	e.report.Add(Of(e.name, err, meaning))
}

// statusWait is how long the agent may take to say how it stands.
const statusWait = 10 * time.Second

// ask asks the running agent how it stands.
func (e *examiner) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	var s agent.Status
	switch err := e.o.Call(ctx, agent.MethodStatus, struct{}{}, &s); {
	case err == nil:
		e.status = &s
		e.gone = s.Settings != nil && s.Settings.Gone
	case !errors.Is(err, control.ErrNoAgent):
		e.running = err
	}
}

// made reports whether a check is made. Without the settings of the wallet, or without a wallet in
// the home folder, only what the running agent says can be looked at.
func (e *examiner) made(check string) bool {
	if e.o.Unusable == nil && e.o.Missing == nil && !e.gone {
		return true
	}
	byAgent := []string{"agent", "hardening", "policy", "keys", "relays", "canary"}
	return check == "home" || e.status != nil && slices.Contains(byAgent, check)
}

// agentState judges what the running agent says of itself.
func (e *examiner) agentState(context.Context) bool {
	switch {
	case e.status != nil:
		e.judgeStatus(*e.status)
	case e.running == nil:
		return false
	case errors.Is(e.running, control.ErrNoAnswer):
		e.found(Finding{Level: Error, What: e.running.Error(), Meaning: "nothing is served while it stands still",
			Next: "look at its process: if it is stopped (state T) let it go on by kill -CONT; if the disk answers " +
				"and it still stands still, start it again"})
	default:
		e.fault(e.running, "an agent may run, and does not say how it stands")
	}
	return true
}

// quiet returns a logger for parts whose log would say again what a finding says.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// nodesAt returns a client of some nodes.
func (e *examiner) nodesAt(urls []string) (*node.Client, error) {
	if e.network == nil {
		return nil, errors.New("setting network: no such chain") // unreachable: config has checked it
	}
	return node.New(node.Options{URLs: urls, Network: e.network, Transport: e.o.Transport, Logger: quiet()})
}
