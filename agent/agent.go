package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/agent/status"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// Options are what an agent is made of. Config, Keys, Ledger, Network, Node and Policy are needed.
type Options struct {
	Config  *config.Config
	Network *hive.Network
	Keys    *keystore.Store
	Ledger  *ledger.Ledger
	Node    *node.Client
	Policy  *policy.Policy
	// Warnings are those of the policy file, for status.
	Warnings policy.Problems

	// Hardening is what [harden.Shield] and [harden.Confine] returned, for log and status; none if
	// they were not called.
	Hardening []harden.Measure

	// Dial connects to relays; nil is the network. Tests give in-memory pipes.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration towards relays; nil is the system's.
	TLS *tls.Config

	Logger *slog.Logger
}

// Agent is a running wallet. Make one with [New], start it with [Agent.Run]. Its other methods may
// be called concurrently while it runs; they are what the control socket offers.
type Agent struct {
	config  *config.Config
	network *hive.Network
	ledger  *ledger.Ledger
	node    *node.Client
	metrics *status.Metrics
	log     *slog.Logger

	hardening []harden.Measure

	store  *keystore.Store
	policy atomic.Pointer[policyInForce]
	links  []*link.Link // as configured; fixed after New

	asks     asks
	pairings pairings
	damage   damage
	replays  damage
	told     toldFailed
	budget   budget
	recent   recentIDs
	clock    wallClock
	noHead   atomic.Pointer[time.Time] // when a request waited for a head in vain; nil once one came
	mismatch mismatches
	dropped  dropCounts

	earlier sync.Map // ledger.RequestKey of requests that an earlier life of the process left unfinished

	quit     <-chan struct{} // closed when the stop begins. Set by Run
	work     context.Context // of admitted work: outlives the links, ends at the stop deadline. Set by Run
	running  group           // work that no link's handler does
	stopping atomic.Bool

	reloads sync.Mutex    // held while policy, or accounts at the links, are replaced: the later wins
	recheck chan struct{} // holds one: the held keys are to be compared with the chain now
}

// New wires an agent. It does no I/O beyond reading what the ledger has of charges.
func New(o Options) (*Agent, error) {
	a := &Agent{
		config: o.Config, network: o.Network, ledger: o.Ledger, node: o.Node, store: o.Keys,
		log: o.Logger.With("component", "agent"), hardening: o.Hardening, recheck: make(chan struct{}, 1),
		damage: damage{limit: damageLimit}, replays: damage{limit: replayLimit},
	}
	a.policy.Store(&policyInForce{policy: o.Policy, warnings: o.Warnings, since: time.Now()})
	a.metrics = status.New(status.State{Ready: a.Ready, Gauges: a.gauges})
	for _, relay := range o.Config.Relays {
		if err := a.addLink(relay, o); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Agent) addLink(relay config.Relay, o Options) error {
	var l *link.Link
	rate := func(perSecond int) link.Rate {
		return link.Rate{PerSecond: float64(perSecond), Burst: 2 * float64(perSecond)}
	}
	l, err := link.New(link.Options{
		URL: relay.URL, Plaintext: relay.Plaintext, App: o.Config.Name, DialContext: o.Dial, TLS: o.TLS,
		Logger: o.Logger,
		KeyChanged: func(was, now hive.PublicKey) {
			a.event(eventRelayKey, ledger.Entry{}, map[string]any{"relay": l.URL(), "was": was.String(),
				"now": now.String()})
		},
		LinkRate: rate(o.Config.RequestsPerSecond), AccountRate: rate(o.Config.AccountRequestsPerSecond),
		// The link reads frames in order and takes a ticket for each, so that requests are admitted
		// in the order in which they came although they are opened in parallel.
		Ticket: func(account hive.AccountName) any { return a.ledger.Ticket(l.URL(), string(account)) },
		// The link's own context ends when it is stopped; what was admitted may go on until the
		// deadline of the stop.
		Handler: func(_ context.Context, d link.Delivery) {
			ticket, _ := d.Ticket.(*ledger.Ticket)
			a.receive(a.work, d.Link, d.Request, ticket)
		},
	})
	if err != nil {
		return fmt.Errorf("relay %q: %w", relay.URL, err)
	}
	if _, twice := a.linkAt(l.URL()); twice {
		return fmt.Errorf("relay %q is configured twice", relay.URL)
	}
	a.links = append(a.links, l)
	return nil
}

// Metrics gives the counters, for the status server and for tests.
func (a *Agent) Metrics() *status.Metrics { return a.metrics }

// Run serves until ctx ends, then stops taking requests, finishes what was admitted within the stop
// deadline of the configuration, and returns when everything that it started has returned.
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
	number, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordStart, Outcome: "start",
		Content: a.startRecord()})
	if err != nil {
		return fmt.Errorf("recording the start: %w", err)
	}
	if err := a.ledger.Look(ctx, a.budget.load); err != nil {
		return fmt.Errorf("reading what was charged: %w", err)
	}
	if err := a.rememberIDs(number); err != nil {
		return fmt.Errorf("reading the audit trail: %w", err)
	}
	background.Go(func() { a.tidy(ctx) })
	if err := a.registerAll(); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	background.Go(func() { a.node.Run(linkCtx) })
	background.Go(func() { a.watchKeys(ctx) })
	background.Go(func() { a.watchClock(ctx) })
	background.Go(func() { a.watchDrops(ctx) })
	if a.config.CheckpointAccount != "" {
		background.Go(func() { a.watchCheckpoints(ctx) })
	}
	if a.config.PolicyWatch {
		background.Go(func() { a.watchPolicy(ctx) })
	}
	if err := a.takeUpUnfinished(ctx, &background); err != nil {
		return err
	}
	for _, l := range a.links {
		links.Go(func() { l.Run(linkCtx) })
	}
	a.log.Info("serving", "relays", len(a.links), "accounts", len(a.store.Accounts()), "policy",
		a.policy.Load().policy.Hash())

	<-ctx.Done()
	a.stopping.Store(true)
	a.log.Info("stopping: finishing what was admitted", "deadline", a.config.StopTimeout)
	finished := a.drain(calm)
	abandon()
	stopLinks()
	links.Wait()
	a.running.wait(calm)
	background.Wait()
	return a.stopped(finished)
}

// drain lets every link finish the requests that it holds, and then what goes on beside them, at
// most as long as the configuration says. The links stay connected meanwhile, so that the answers
// can be sent.
func (a *Agent) drain(ctx context.Context) bool {
	deadline, cancel := context.WithTimeout(ctx, a.config.StopTimeout)
	defer cancel()
	var links sync.WaitGroup
	var late atomic.Bool
	for _, l := range a.links {
		links.Go(func() {
			if l.Drain(deadline) != nil {
				late.Store(true)
			}
		})
	}
	links.Wait()
	return a.running.wait(deadline) == nil && !late.Load()
}

// stopped records the stop after everything else has been.
func (a *Agent) stopped(finished bool) error {
	outcome := "stop"
	if !finished {
		outcome = "stop with work left"
		a.log.Warn("stopped before all admitted requests were finished; the next start looks their transactions up")
	}
	a.recordDrops()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := a.ledger.Append(ctx, ledger.Entry{Type: ledger.RecordStop, Outcome: outcome})
	return errors.Join(err, a.ledger.Flush(ctx))
}

// start runs f as work that no link waits for: a stop waits for it until the deadline, when its
// context ends.
func (a *Agent) start(f func(ctx context.Context)) {
	a.running.start(func() { f(a.work) })
}

func (a *Agent) keys() *keystore.Store { return a.store }

// linkAt finds a link by the relay's address, with or without a slash at its end.
func (a *Agent) linkAt(address string) (*link.Link, bool) {
	for _, l := range a.links {
		if strings.TrimSuffix(l.URL(), "/") == strings.TrimSuffix(address, "/") {
			return l, true
		}
	}
	return nil, false
}

// alarm reports what should never happen.
func (a *Agent) alarm(what string, attrs ...any) {
	a.metrics.Alarm(what)
	a.event(eventAlarm, ledger.Entry{}, map[string]any{"reason": what})
	a.log.Error("alarm: "+what, attrs...)
}
