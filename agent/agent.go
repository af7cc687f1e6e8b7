package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/guard"
	"pksa/agent/harden"
	"pksa/agent/kernelclock"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/lock"
	"pksa/agent/node"
	"pksa/agent/notify"
	"pksa/agent/places"
	"pksa/agent/policy"
	"pksa/agent/probe"
	"pksa/agent/refund"
	"pksa/agent/status"
	"pksa/agent/trace"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// Options is what an agent is made of. Config, Keys, Ledger, Network, Node and Policy are needed.
type Options struct {
	Config  *config.Config
	Network *hive.Network
	Keys    *keystore.Store
	Ledger  *ledger.Ledger
	Node    *node.Client
	Policy  *policy.Policy
	// PolicyWaits says why the policy's file is not the policy; empty if it is. See [StartPolicy].
	PolicyWaits string
	// Warnings are those of the policy file, for status.
	Warnings policy.Problems

	// Hardening is what [harden.Shield] and [harden.Confine] returned, for log and status; none if
	// they were not called.
	Hardening []harden.Measure

	// Reloading is called when a person has policy or settings read again, and what it returns when
	// that is over; nil: nobody is told.
	Reloading func() (over func())
	// ReadSettings reads the settings as a start does; nil: they were given by a program, and
	// cannot be read again.
	ReadSettings func() (*config.Config, error)

	// Unlock reads what opens the keystore again, for a locked wallet; nil: it cannot be read
	// again, and who unlocks brings it.
	Unlock func(context.Context) (keystore.Unlock, error)

	// Version is that of the program, for metrics; empty: what the build knows.
	Version string

	// InPlace names the home folder in the commands of a text that /readyz answers with; nil: it is
	// the default one, which commands need no name for.
	InPlace func(text string) string

	// Foresee returns why the next start would fail, but for the policy; nil: nobody looks.
	Foresee func() []string

	// TrustClock takes the clock of this machine for right if nothing contradicts it.
	TrustClock bool
	// KernelClock returns nil if the kernel says that its clock is kept right; nil asks the kernel.
	KernelClock func() error

	// Dial connects to relays; nil is the network. Tests give in-memory pipes.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration towards relays; nil is the system's.
	TLS *tls.Config
	// Notify makes the exchanges of notifiers; nil is the network.
	Notify http.RoundTripper

	Logger *slog.Logger
}

// Agent is a running wallet. Make one with [New], start it with [Agent.Run]. Its other methods may
// be called concurrently while it runs; they are what the control socket offers.
type Agent struct {
	network *hive.Network
	ledger  *ledger.Ledger
	node    *node.Client
	metrics *status.Metrics
	log     *slog.Logger

	hardening []harden.Measure
	restart   func() []string                                // why it would fail; nil: nobody looks
	version   string                                         // of the program; empty: what the build knows
	reloading func() func()                                  // tells that the policy is read again; nil: tells nobody
	opener    func(context.Context) (keystore.Unlock, error) // Options.Unlock

	keys    *keystore.Store
	policy  atomic.Pointer[policyInForce]
	inForce settingsInForce
	links   links

	relayKeys link.Keys    // which relay has which key
	held      atomic.Int64 // bytes of the frames in flight at all links
	newLink   func(config.Relay) (*link.Link, error)

	// Small tables, each with a lock of its own. No method of one calls another, so that their
	// locks are never held together.
	asks      asks // requests that wait for a person
	approvals *approve.Desk
	looks     audit.Looks // of consoles at the trail
	pairings  pairings    // links and requests that wait for each other
	byDamage  quarantine  // sessions whose requests came damaged
	byReplay  quarantine  // sessions whose requests came again
	remnants  remnants    // how many keys of ended sessions strangers' requests may still try
	budget    budget      // the policy's counters
	places    *places.Table
	largeWork chan struct{} // of large requests; see beginLarge
	refunds   *refund.Watch
	uncertain uncertain // broadcasts whose requests have ended
	recent    recentIDs // ids of transactions that may be on their way
	clock     wallClock
	refusedAt atomic.Int64  // when a relay's refusal last had the keys compared, in ns since 1970
	mismatch  mismatches    // held keys that do not fit the chain
	guard     *guard.Watch  // accounts that somebody else changed
	desk      *notify.Desk  // tells people; it never waits
	dropped   drops         // requests without an answer
	denials   denials       // requests that were denied
	approval  atomic.Value  // what of PolicyStatus.Approval is known; a string
	onDisk    onDisk        // whether the next start can use the policy file
	verifying audit.Reading // how far a verification of the audit trail is
	trace     trace.Log     // what went wrong with requests in the last hour

	toldFull map[hive.AccountName]time.Time // when the log spoke of its sessions. Owned by tidy

	ownRelay func() OwnRelay // how the relay of this process stands; nil without one. Set before Run

	witness     ClockWitness  // of the clock
	begun       chan struct{} // closed when requests may be recorded
	beginFailed error         // why they may not, and the run ended. Owned by awaitClock until Run waits for it

	noHead    atomic.Pointer[time.Time] // when a request waited for a head in vain; nil once one came
	noSigners silences                  // when nodes did not say who has to sign
	twins     twins                     // whether another copy of this wallet serves
	earlier   sync.Map                  // ledger.RequestKey of requests that an earlier process left unfinished

	quit     <-chan struct{} // closed when the stop begins. Set by Run
	work     context.Context // of admitted work: outlives the links, ends at the stop deadline. Set by Run
	running  group           // work that no link's handler does
	stopping atomic.Bool
	paused   atomic.Bool // each request is told to come again later
	lock     *lock.State

	// reloads is held while policy, settings, or accounts at the links, are replaced: the later
	// wins.
	reloads sync.Mutex
	trials  trials        // of the tests beside policies
	recheck chan struct{} // holds one: the held keys are to be compared with the chain now
}

// New makes an agent and its links. It does no I/O: nothing is read and nobody is dialled before
// [Agent.Run].
func New(o Options) (*Agent, error) {
	a := &Agent{
		network: o.Network, ledger: o.Ledger, node: o.Node, keys: o.Keys,
		log: o.Logger.With("component", "agent"), hardening: o.Hardening, restart: o.Foresee, reloading: o.Reloading,
		version: o.Version,
		recheck: make(chan struct{}, 1), lock: lock.New(time.Now()), opener: o.Unlock,
		witness: ClockWitness{o.Node, o.KernelClock, o.TrustClock}, begun: make(chan struct{}),
		toldFull: map[hive.AccountName]time.Time{}, places: places.New(ownPlaces, sharedPlaces),
		largeWork: newLargeWork(),
		byDamage:  quarantine{reason: "too many damaged requests", limit: damageLimit, aDay: damageADay, logins: true},
		byReplay:  quarantine{reason: "too many replays", limit: replayLimit},
	}
	if a.witness.Kernel == nil {
		a.witness.Kernel = kernelclock.Synchronised
	}
	a.policy.Store(&policyInForce{policy: o.Policy, warnings: o.Warnings, since: time.Now(), waits: o.PolicyWaits})
	a.inForce.begin(o.Config, o.ReadSettings)
	_, paused := o.Ledger.Paused()
	a.paused.Store(paused)
	a.refunds = a.newRefunds()
	a.guard = a.newGuard()
	a.approvals = a.newApprovals()
	a.desk = NewDesk(o.Config, o.Notify, a.log)
	a.newLink = func(relay config.Relay) (*link.Link, error) { return a.makeLink(relay, o) }
	a.twins.begin(o.Config, o.Keys, o.Ledger)
	ready := func() []status.Hindrance { return named(a.hindrances(time.Now()), o.InPlace) }
	a.metrics = status.New(status.Options{Ready: ready, Live: a.Live,
		Gauges: a.gauges, Requests: expected, Drops: reasons,
		Alarms: alarms})
	for _, relay := range o.Config.Relays {
		l, err := a.newLink(relay)
		if err != nil {
			return nil, err
		}
		if _, twice := a.linkAt(l.URL()); twice {
			return nil, fmt.Errorf("relay %q is configured twice", relay.URL)
		}
		a.links.list = append(a.links.list, l)
		a.twins.add(l.URL(), o.Config.OwnRelay(l.URL()))
	}
	return a, nil
}

// makeLink returns a link to a relay, without accounts.
func (a *Agent) makeLink(relay config.Relay, o Options) (*link.Link, error) {
	var l *link.Link
	linkRate, accountRate := rates(a.settings())
	l, err := link.New(link.Options{
		URL: relay.URL, Plaintext: relay.Plaintext, App: o.Config.Name, DialContext: o.Dial, TLS: o.TLS,
		Logger:  o.Logger,
		Private: privateRelay(o.Config, relay.URL),
		KeyChanged: func(was, now hive.PublicKey) {
			a.noteEvent(eventRelayKey, ledger.Entry{}, map[string]any{"relay": l.URL(), "was": was.String(),
				"now": now.String()})
		},
		Key: relay.Key, Keys: &a.relayKeys, Held: &a.held,
		KeyRefused:        a.relayKeyRefused,
		Registered:        func() { a.twins.registered(l.URL()) },
		Heard:             func(m protocol.Message) { a.twins.heard(l.URL(), m) },
		AnsweredElsewhere: func() { a.answeredElsewhere(l.URL()) },
		AnswerRefused:     func(text string, sent []link.SentAnswer) { a.answerRefused(l.URL(), text, sent) },
		Dropped:           func(account hive.AccountName, why link.Drop) { a.linkDropped(l.URL(), account, why) },
		Slowed:            func() { a.notice(trace.RelayTooFast, "", l.URL()) },
		LinkRate:          linkRate, AccountRate: accountRate,
		// The link reads frames in order and takes a ticket for each, so that requests are admitted
		// in the order in which they came although they are opened in parallel.
		Ticket: func(account hive.AccountName) any { return a.ledger.Ticket(l.URL(), string(account)) },
		// The link's own context ends when it is stopped; what was admitted may go on until the
		// deadline of the stop.
		Handler: func(_ context.Context, d link.Delivery) { a.receive(a.work, d) },
		// Requests wait for the first probe: it must not wait for them.
		AtOnce: func(r protocol.Request) bool { return r.Kind == protocol.Challenge && probe.Marked(r.Data) },
	})
	if err != nil {
		return nil, fmt.Errorf("relay %q: %w", relay.URL, err)
	}
	return l, nil
}

// rates returns how fast a relay is read, and how fast an account is served at it.
func rates(cfg *config.Config) (link.Rate, link.Rate) {
	rate := func(perSecond int) link.Rate {
		return link.Rate{PerSecond: float64(perSecond), Burst: 2 * float64(perSecond)}
	}
	return rate(cfg.RequestsPerSecond), rate(cfg.AccountRequestsPerSecond)
}

// Metrics returns the counters, for the status server and for tests.
func (a *Agent) Metrics() *status.Metrics { return a.metrics }

// Run serves until ctx ends, then stops taking requests, finishes what was admitted within the stop
// deadline of the configuration, and returns when everything that it started has returned.
//
// Three contexts end one after the other: that of ctx with the stop, that of the work at the
// deadline, that of the links when the answers are sent.
func (a *Agent) Run(ctx context.Context) error {
	var background, links sync.WaitGroup
	defer background.Wait() // after all contexts have ended, also on an error
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	calm := context.WithoutCancel(ctx)
	work, abandon := context.WithCancel(calm)
	defer abandon()
	a.work, a.quit = work, ctx.Done()
	linkCtx, stopLinks := context.WithCancel(calm)
	defer stopLinks()

	harden.Log(ctx, a.log, a.hardening)
	if err := a.checkClock(ctx); err != nil {
		return err
	}
	held := a.clock.doubted() != ""
	if !held {
		if err := a.prepare(ctx); err != nil {
			return err
		}
	}
	background.Go(func() { every(ctx, tidyEvery, a.tidy) })
	background.Go(func() {
		select {
		case <-a.ledger.Deposed():
			// Whatever it could say from here on, the other copy may have said otherwise.
			a.log.Error("another copy of this wallet has taken the ledger over: this one ends at once")
			quit()
			abandon()
			stopLinks()
		case <-ctx.Done():
		}
	})
	background.Go(func() { a.desk.Run(ctx) })
	background.Go(func() { a.tryAtStart(ctx) })
	background.Go(func() {
		select {
		case <-a.begun:
			a.requireApproval(ctx)
		case <-ctx.Done():
		}
	})
	background.Go(func() { a.watchTold(ctx) })
	// The accounts are set before any link runs, so that a first connection proves all of them.
	if err := a.registerAll(); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	for _, app := range a.disabledApps() {
		a.log.Warn("an app is disabled: another one has the same secret, and a secret names one app; "+
			"`pksa app rotate NAME` gives it a new one", "app", app.Name, "same_secret_as", app.SameSecretAs)
	}
	// The nodes live as long as the links: a broadcast of the last moment still needs them.
	background.Go(func() { a.node.Run(linkCtx) })
	a.watch(ctx, &background)
	if held {
		background.Go(func() { a.awaitClock(ctx, &background, quit) })
	} else if err := a.takeUp(ctx, &background); err != nil {
		return err
	}
	// As long as the links: a copy that stops still answers the probes of others.
	background.Go(func() { a.watchTwins(linkCtx, quit) })
	a.links.start(linkCtx, &links)
	if len(a.keys.Accounts()) == 0 {
		a.log.Warn("no keys are held, so nothing can be answered; import one with `pksa keys import ACCOUNT " +
			"--role posting --from prompt`")
	}
	if a.paused.Load() {
		a.log.Warn(a.pauseProblem())
	}
	a.log.Info("serving", "relays", len(a.links.all()), "accounts", len(a.keys.Accounts()),
		"policy", a.policy.Load().policy.Hash())

	<-ctx.Done()
	a.stopping.Store(true)
	a.links.close()
	a.log.Info("stopping: finishing what was admitted", "deadline", a.settings().StopTimeout)
	finished := a.drain(calm)
	// What is not finished by now is left to the next start, which finds it in the ledger.
	abandon()
	stopLinks()
	links.Wait()
	a.running.wait(calm)
	background.Wait()
	if isClosed(a.ledger.Deposed()) {
		return ledger.ErrDeposed // nothing more is recorded
	}
	if !a.hasBegun() { // nothing was recorded, and the clock may be wrong
		return errors.Join(a.beginFailed, a.twins.yieldError())
	}
	return errors.Join(a.stopped(finished), a.twins.yieldError())
}

// begin does all that must be done before the first request is recorded.
func (a *Agent) begin(ctx context.Context, background *sync.WaitGroup) error {
	if err := a.prepare(ctx); err != nil {
		return err
	}
	return a.takeUp(ctx, background)
}

// takeUp goes on with what an earlier process left, and lets requests be recorded: one that comes
// again must find that its run is of an earlier process, and no new transaction may get the id of
// one that is looked up.
func (a *Agent) takeUp(ctx context.Context, background *sync.WaitGroup) error {
	if err := a.takeUpUnfinished(ctx, background); err != nil {
		return err
	}
	close(a.begun)
	return nil
}

// prepare does what must be done before the first request, in this order, once the clock is
// believed.
func (a *Agent) prepare(ctx context.Context) error {
	start := ledger.Entry{Type: ledger.RecordStart, Outcome: "start", Content: a.startRecord()}
	number, err := a.ledger.Append(ctx, start)
	if err != nil {
		return fmt.Errorf("recording the start: %w", err)
	}
	// The first decision would read the charges, too. Status and the life of the first transaction
	// need them before that.
	load := func(v ledger.View) { a.budget.load(v, a.policy.Load().policy) }
	if err := a.ledger.Look(ctx, load); err != nil {
		return fmt.Errorf("reading what was charged: %w", err)
	}
	if err := a.ledger.SettleRelays(ctx, a.configured); err != nil {
		return fmt.Errorf("settling the relays that were added: %w", err)
	}
	if err := a.guard.Load(ctx); err != nil {
		return err
	}
	a.rememberIDs(number)
	return nil
}

// watch starts what looks at keys, clock, drops, trail and policy at intervals. It ends with ctx.
func (a *Agent) watch(ctx context.Context, background *sync.WaitGroup) {
	background.Go(func() { a.watchKeys(ctx) })
	background.Go(func() { a.watchClock(ctx) })
	if a.settings().Guard != config.GuardOff {
		background.Go(func() { a.watchAccounts(ctx) })
	}
	background.Go(func() { a.refunds.Run(ctx) })
	background.Go(func() { every(ctx, dropsEvery, a.recordDrops) })
	background.Go(func() { a.sumCharges(ctx) })
	if a.settings().CheckpointAccount != "" {
		background.Go(func() { a.watchCheckpoints(ctx) })
	}
	if a.settings().PolicyWatch {
		background.Go(func() { a.watchPolicy(ctx) })
	}
	background.Go(func() { a.watchLock(ctx) })
}

// drain lets every link finish the requests that it holds, and then what goes on beside them, at
// most as long as the configuration says. It reports whether all of it is finished. The links stay
// connected meanwhile, so that the answers can be sent.
func (a *Agent) drain(ctx context.Context) bool {
	// One deadline for both: the service manager that stops us counts from its signal.
	deadline, cancel := context.WithTimeout(ctx, a.settings().StopTimeout)
	defer cancel()
	var links sync.WaitGroup
	var late atomic.Bool
	for _, l := range a.links.all() {
		// All at once, so that no link takes requests while another one is being drained.
		links.Go(func() {
			if l.Drain(deadline) != nil {
				late.Store(true)
			}
		})
	}
	links.Wait()
	// After the links, whose handlers start this work.
	return a.running.wait(deadline) == nil && !late.Load()
}

// stopped records the stop as the last record of the process.
func (a *Agent) stopped(finished bool) error {
	outcome := "stop"
	if !finished {
		outcome = "stop with work left"
		a.log.Warn("stopped before all admitted requests were finished; the next start looks their transactions up")
	}
	a.recordDrops()
	a.recordDenials(true)
	// All other contexts have ended, and a disk that hangs must not hold up the stop for ever.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordStop, Outcome: outcome})
	return errors.Join(err, a.ledger.Flush(ctx))
}

// start runs f as work that no link waits for. A stop waits for it until the deadline, when its
// context ends.
func (a *Agent) start(f func(ctx context.Context)) {
	a.running.start(func() { f(a.work) })
}

// admin returns what manages slots and sessions of this agent.
func (a *Agent) admin() Admin { return Admin{Ledger: a.ledger, Keys: a.keys} }

// linkAt returns the link to a relay's address, with or without a slash at its end.
func (a *Agent) linkAt(address string) (*link.Link, bool) {
	for _, l := range a.links.all() {
		if strings.TrimSuffix(l.URL(), "/") == strings.TrimSuffix(address, "/") {
			return l, true
		}
	}
	return nil, false
}

// What is raised as an alarm. The texts are labels of a metric: each of them exists from the start,
// so that an alert sees the first one.
const (
	alarmJudging     = "judging panicked"
	alarmPanic       = "a request panicked"
	alarmRecorded    = "recorded answer does not decode"
	alarmNoAnswer    = "recorded answer is none"
	alarmEncoding    = "answer does not encode"
	alarmLate        = "late answer does not encode"
	alarmClock       = "clock stepped"
	alarmDiffers     = "operations decode to something else"
	alarmTwin        = "another copy of this wallet serves the same accounts"
	alarmTwinYielded = alarmTwin + ", and this copy has yielded to it"
	alarmElsewhere   = "another wallet answered a request that this one answered, too"
	alarmRelayKey    = "a relay names the key of another one"
	alarmPinnedKey   = "a relay names another key than the pinned one"
)

var alarms = []string{alarmJudging, alarmPanic, alarmRecorded, alarmNoAnswer, alarmEncoding, alarmLate, alarmClock,
	alarmDiffers, alarmTwin, alarmTwinYielded, alarmElsewhere, alarmRelayKey, alarmPinnedKey}

// alarm counts, records and logs what should never happen.
func (a *Agent) alarm(what string, attrs ...any) {
	a.metrics.Alarm(what)
	a.noteEvent(eventAlarm, ledger.Entry{}, map[string]any{"reason": what})
	a.log.Error("alarm: "+what, attrs...)
}
