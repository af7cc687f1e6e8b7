package service

import (
	"context"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"

	"pksa/agent"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/relay"
	"pksa/keystore/access"
	"pksa/protocol/hive"
)

// server is a listener with what answers there. serve closes the listener, and so does close if
// serve was never called.
type server struct {
	serve func(context.Context) error
	close func() error
}

// listen opens every listener that the settings name and serves none yet.
func (s *Service) listen(cfg *config.Config) error {
	if err := s.listenControl(cfg); err != nil {
		return err
	}
	if err := s.listenConsole(cfg); err != nil {
		return &StepError{StepConsole, err}
	}
	if err := s.listenStatus(cfg); err != nil {
		err = &StepError{StepStatus, err}
		return err
	}
	if cfg.RelayListen != "" {
		return s.listenRelay(cfg)
	}
	return nil
}

func (s *Service) listenControl(cfg *config.Config) error {
	socket, err := control.Listen(cfg.Control)
	if err != nil {
		return err
	}
	calls := &control.Server{Handlers: s.Agent.Methods(), Logger: s.log.With("component", "control")}
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return calls.Run(ctx, socket) },
		close: socket.Close,
	})
	return nil
}

// listenConsole opens the narrow socket, if the settings name one.
func (s *Service) listenConsole(cfg *config.Config) error {
	if cfg.ConsoleSocket == "" {
		return nil
	}
	socket, err := control.ListenConsole(cfg.ConsoleSocket)
	if err != nil {
		return fmt.Errorf("setting console.socket: %w", err)
	}
	calls := &control.Server{Handlers: s.Agent.ConsoleMethods(), Console: s.console,
		Logger: s.log.With("component", "console")}
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return calls.Run(ctx, socket) },
		close: socket.Close,
	})
	return nil
}

// nobody is the id under which the kernel shows every user that a unit or container does not know.
const nobody = 65534

// ConsoleUser returns the user that the settings let call at console.socket; the process's own if
// they name none. It is nil without such a socket.
func ConsoleUser(cfg *config.Config) (*uint32, error) {
	if cfg.ConsoleSocket == "" {
		return nil, nil
	}
	if cfg.ConsoleUser == "" {
		self, _ := access.Self()
		return &self, nil
	}
	text := cfg.ConsoleUser
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		found, err := user.Lookup(text)
		if err != nil {
			return nil, fmt.Errorf("setting console.user: this machine has no user %q: make it, or give its "+
				"number", text)
		}
		if id, err = strconv.ParseUint(found.Uid, 10, 32); err != nil {
			return nil, fmt.Errorf("setting console.user: this system has no numbers of users: %v", err)
		}
	}
	if id == nobody {
		return nil, fmt.Errorf("setting console.user: %d is everybody whom a unit with PrivateUsers= or a container "+
			"does not know: make a user of its own for the console", nobody)
	}
	uid := uint32(id)
	return &uid, nil
}

// ownRelay bounds what the relay of a wallet takes of its memory and of its processor. It keeps and
// reads less than a relay that runs alone. Reading so many frames of strangers takes a tenth of a
// core. Each connection takes 20 to 30 KiB, so strangers have half of the places: an application
// whose request the wallet answers takes none of theirs any more.
var ownRelay = relay.Limits{Strangers: 512, Bytes: 6 << 20, Reading: 2 << 20, Frames: 5000}

func (s *Service) listenRelay(cfg *config.Config) error {
	keys := believeOwn(ChainKeys(s.Nodes), heldKeys(s.Keys), secondWord(s.Nodes))
	if cfg.RelayAccounts == "keystore" {
		keys = heldKeys(s.Keys)
	}
	held := func(account hive.AccountName) bool { return len(s.Keys.Roles(account)) > 0 }
	unproven := func(account hive.AccountName) bool {
		return cfg.RelayUnproven.Allows(account, held(account))
	}
	limits := ownRelay
	limits.Strangers = max(limits.Strangers, cfg.RelayPerAddress) // whoever raised that wants them
	r, listener, err := OpenRelay(cfg, relay.Options{Keys: keys, Known: held, Mine: s.dials.mine, Unproven: unproven,
		Logger: s.log, PageRefused: func() { s.Agent.Metrics().PageRefused("relay") }, Limits: limits})
	if err != nil {
		return &StepError{StepRelay, err}
	}
	used := func(now *config.Config) bool {
		return slices.ContainsFunc(now.Relays, func(o config.Relay) bool { return now.OwnRelay(o.URL) })
	}
	unused := "this wallet does not use its own relay, and applications that ask there hear nothing: add " +
		ownAddress(cfg) + " to the setting relays"
	if !used(cfg) {
		s.log.Warn(unused, "relay.listen", listener.Addr().String())
	}
	s.Agent.ShowRelay(func() agent.OwnRelay {
		now, hint := r.Status(), ""
		used := used(s.Agent.Settings())
		if !used {
			hint = unused
		}
		return agent.OwnRelay{Listen: listener.Addr().String(), Public: now.Key.String(), Used: used, Hint: hint,
			Wallets: now.Wallets, Unproved: now.Unproved, Apps: now.Connections - now.Wallets, Waiting: now.Pending,
			Requests: now.Counters.Requests, Unanswered: now.Counters.Expired,
			PagesRefused: now.Counters.PagesRefused, Displaced: now.Counters.Displaced,
			TooMany: now.Counters.OverLimit, SilentClosed: now.Counters.Silent, TurnedAway: now.Counters.TurnedAway,
			Late: readLater(now)}
	})
	s.servers = append(s.servers, server{
		serve: func(ctx context.Context) error { return r.Serve(ctx, listener) },
		close: listener.Close,
	})
	return nil
}

// readLater returns how often a relay has read later, by the pace.
func readLater(s relay.Status) (list []agent.ReadLater) {
	for i, late := range s.Late {
		list = append(list, agent.ReadLater{Pace: relay.Paces[i], Times: late.Times, Seconds: late.Time.Seconds()})
	}
	return list
}

// ownAddress returns the address by which this machine reaches the relay of the settings.
func ownAddress(cfg *config.Config) string {
	scheme := "ws://"
	if cfg.RelayCertificate != "" {
		scheme = "wss://"
	}
	name, port, err := net.SplitHostPort(cfg.RelayListen)
	if ip := net.ParseIP(name); err == nil && (name == "" || ip != nil && ip.IsUnspecified()) {
		return scheme + net.JoinHostPort("127.0.0.1", port)
	}
	return scheme + cfg.RelayListen
}
