package service

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/status"
	"pksa/keystore"
)

// Options are what a service is made of. Config, Logger and one of OpenKeys and Keys are needed.
type Options struct {
	Config *config.Config
	Logger *slog.Logger

	// OpenKeys opens the keystore. It is called when the process is shielded, so it is the place to
	// read what unlocks it. The service closes the store.
	OpenKeys func(context.Context) (*keystore.Store, error)
	// Keys and Ledger are used in place of those that the service would open. They stay the
	// caller's, who closes them after Run has returned.
	Keys   *keystore.Store
	Ledger *ledger.Ledger

	// Embedded means that other code shares the process: it is not hardened, and no control socket,
	// status server and relay are opened.
	Embedded bool

	// StandingBy is called when another wallet leads the ledger, which is in a database: [Open]
	// returns when that has ended, or its lease. What it returns is called then. nil: nobody is
	// told.
	StandingBy func() (over func())

	// Version, Reloading, ReadSettings, TrustClock, KernelClock and InPlace are those of
	// [agent.Options].
	Version      string
	Reloading    func() (over func())
	ReadSettings func() (*config.Config, error)
	TrustClock   bool
	KernelClock  func() error
	InPlace      func(text string) string

	// Dial connects to relays, and Transport carries requests to nodes; nil is the network.
	Dial      func(ctx context.Context, network, address string) (net.Conn, error)
	Transport http.RoundTripper
	// Notify makes the exchanges of notifiers; nil is the network.
	Notify http.RoundTripper
	// TLS is the configuration towards relays; nil is the system's.
	TLS *tls.Config
}

// Service is a wallet that is ready to run. The fields may be used while it runs, and none may be
// changed.
type Service struct {
	Agent  *agent.Agent
	Keys   *keystore.Store
	Ledger *ledger.Ledger
	Nodes  *node.Client

	log     *slog.Logger
	console *uint32 // who may call at the narrow socket
	dials   ownDials
	servers []server       // listening, not yet served
	owned   []func() error // what Close closes, the last first
}

// Open opens everything that the settings name and the agent needs. A *[StepError] says which step
// failed, if it was one of those that settings and machine decide.
func Open(ctx context.Context, o Options) (s *Service, err error) {
	s = &Service{Keys: o.Keys, Ledger: o.Ledger, log: o.Logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	// Settings come first: a mistake there costs nobody a passphrase.
	network, err := Network(o.Config)
	if err != nil {
		return s, err
	}
	// Before the sandbox is shut: the list of users may lie outside.
	if s.console, err = ConsoleUser(o.Config); err != nil && !o.Embedded {
		return s, &StepError{StepConsole, err}
	}
	if s.Nodes, err = newNodes(o.Config, network, o.Transport, o.Logger); err != nil {
		return s, err
	}
	// Shielded before a secret is in memory: what was dumped, traced or swapped once stays so.
	var measures []harden.Measure
	if !o.Embedded {
		if measures, err = harden.Shield(o.Config.Hardening); err != nil {
			return s, &StepError{StepHardening, err}
		}
	}
	if err := s.openKeys(ctx, o); err != nil {
		return s, err
	}
	// The ledger is sealed by a key that the keystore keeps.
	if err := s.openLedger(ctx, o); err != nil {
		return s, err
	}
	// A copy that has yielded to another one serves nothing, whoever starts it, until a person has
	// looked.
	if err := agent.CheckYield(s.Ledger); err != nil {
		return s, err
	}
	// The policy comes after both: it warns of accounts and apps that they do not know.
	compiled, warnings, waits, err := agent.StartPolicy(o.Config, s.Keys, s.Ledger)
	if err != nil {
		return s, &StepError{StepPolicy, err}
	}
	if waits != "" {
		o.Logger.Warn("the policy that was approved last is in force, and not that of the file", "component", "agent",
			"why", waits)
	}
	// Confined after opening: files that are open stay open, and the rules name less. Confined
	// before listening: from the first byte of a stranger on, this process reaches the files it
	// needs only.
	if !o.Embedded {
		unfollowed, opened := harden.Unfollowed(o.Config), harden.Opened(o.Config)
		status.OpenProcess() // which metrics need, and which cannot be opened afterwards
		confined, err := harden.Confine(o.Config, harden.Paths{})
		if err != nil {
			return s, &StepError{StepHardening, err}
		}
		measures = append(measures, confined...)
		for _, l := range unfollowed {
			if harden.Confined(confined) {
				o.Logger.Warn("what takes the place of this file will not be found", "component", "agent",
					"file", l.Path, "why", l.Why)
			}
		}
		for _, folder := range opened {
			if harden.Confined(confined) {
				o.Logger.Warn("all in this folder stays open to the wallet, because a file of its configuration is "+
					"there: give that a folder of its own, and the wallet a user who is not root", "component", "agent",
					"folder", folder)
			}
		}
	}
	var foresee func() []string // what is embedded has got its keys otherwise
	if !o.Embedded {
		foresee = func() []string { return Foresee(o.Config) }
	}
	dial := o.Dial
	if dial == nil {
		dial = s.dials.dial
	}
	s.Agent, err = agent.New(agent.Options{
		Version: o.Version, Reloading: o.Reloading, ReadSettings: o.ReadSettings, Foresee: foresee,
		InPlace: o.InPlace,
		Config:  o.Config, Network: network, Keys: s.Keys, Ledger: s.Ledger, Node: s.Nodes,
		Policy: compiled, PolicyWaits: waits, Warnings: warnings, Hardening: measures, Dial: dial, TLS: o.TLS,
		Notify:     o.Notify,
		Logger:     o.Logger,
		TrustClock: o.TrustClock, KernelClock: o.KernelClock, Unlock: opener(o),
	})
	if err != nil || o.Embedded {
		return s, err
	}
	// Listeners come last and before Run: an address that is taken is found while nothing was asked
	// or answered, and the control socket is there when the first command looks for it.
	return s, s.listen(o.Config)
}

func (s *Service) openKeys(ctx context.Context, o Options) (err error) {
	if s.Keys != nil {
		return nil
	}
	if s.Keys, err = o.OpenKeys(ctx); err != nil {
		return err
	}
	s.owned = append(s.owned, func() error {
		s.Keys.Close()
		return nil
	})
	// A running agent never writes the keystore: commands do, and bring along what unlocks it. So
	// nothing here needs it any more.
	s.Keys.ForgetUnlock()
	return nil
}

// opener returns what reads again what opens the keystore; nil if that cannot be read again.
func opener(o Options) func(context.Context) (keystore.Unlock, error) {
	source, err := keystore.ParseSource(o.Config.Unlock)
	if err != nil || o.Embedded || !source.Again() {
		return nil
	}
	return func(ctx context.Context) (keystore.Unlock, error) {
		unlock, err := source.Unlock(ctx, nil)
		return unlock, harden.NamedSource(o.Config.Unlock, err)
	}
}

func (s *Service) openLedger(ctx context.Context, o Options) (err error) {
	if s.Ledger != nil {
		return nil
	}
	switch s.Ledger, err = s.takeLedger(ctx, o); {
	case err != nil && (errors.As(err, new(*StepError)) || ctx.Err() != nil):
		return err
	case err != nil:
		return &StepError{StepLedger, err}
	}
	s.owned = append(s.owned, s.Ledger.Close)
	return nil
}

// Run serves until ctx ends, and returns when everything that it started has returned.
func (s *Service) Run(ctx context.Context) error {
	// The servers outlive ctx. While the agent finishes what it admitted, it may need the relay of
	// its own to answer, and `pksa status` shows what it still does.
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var running sync.WaitGroup
	for _, server := range s.servers {
		running.Go(func() {
			if err := server.serve(beside); err != nil {
				s.log.Error("server ended", "err", err)
			}
		})
	}
	s.servers = nil // each closes its listener itself
	err := s.Agent.Run(ctx)
	stop()
	running.Wait()
	return err
}

// Close closes what [Open] opened. It is called after [Service.Run] has returned, or instead of it.
func (s *Service) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.close())
	}
	s.servers = nil
	// The last first: the ledger before the keystore whose key seals it.
	for i := len(s.owned) - 1; i >= 0; i-- {
		errs = append(errs, s.owned[i]())
	}
	s.owned = nil
	return errors.Join(errs...)
}

// Step is a part of [Open] that settings, files or the machine can make fail.
type Step int

// The steps whose failures a person can mend.
const (
	StepHardening Step = iota + 1
	StepLedger
	StepPolicy
	StepRelay
	StepStatus
	StepConsole
)

// StepError is a failure of a step. Its text is that of the cause.
type StepError struct {
	Step Step
	Err  error
}

func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }
