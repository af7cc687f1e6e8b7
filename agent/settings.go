package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/notify"
	"pksa/agent/policy"
	"pksa/protocol/plain"
)

// Prepare makes ready what a part of the process needs to go on with other settings. take brings it
// into force and cannot fail; drop undoes it where another part cannot go on.
type Prepare func(was, next *config.Config) (take, drop func(), err error)

// settingsInForce is the settings by which the agent works, and how they are read again.
type settingsInForce struct {
	config atomic.Pointer[config.Config]
	since  atomic.Pointer[time.Time]
	failed atomic.Pointer[string]         // why the last reload changed nothing; nil if it did
	read   func() (*config.Config, error) // nil: they cannot be read again
	parts  []Prepare                      // of the process, beside the agent. Set before Run
}

func (s *settingsInForce) begin(c *config.Config, read func() (*config.Config, error)) {
	s.config.Store(c)
	s.since.Store(new(time.Now()))
	s.read = read
}

func (a *Agent) settings() *config.Config { return a.inForce.config.Load() }

// Settings returns the settings in force. Nobody changes them.
func (a *Agent) Settings() *config.Config { return a.settings() }

// AddPart has a part of the process prepare each change of the settings. It is called before Run.
func (a *Agent) AddPart(p Prepare) { a.inForce.parts = append(a.inForce.parts, p) }

// SettingsStatus is how the settings in force stand to what is written now.
type SettingsStatus struct {
	Since  time.Time `json:"since"` // the start, or the last reload that changed one
	Failed string    `json:"reload_failed,omitempty"`
	// Differ are the settings whose value in force is another one than that which is written.
	Differ []config.Change `json:"differ,omitempty"`
	// Gone says that config.yaml, which was there when the settings came into force, is there no
	// more, and that the wallet would do other things without it.
	Gone bool `json:"file_gone,omitempty"`
}

// errGone is why settings are not reloaded from a file that is there no more: nobody has written
// that the wallet shall go to other relays and nodes.
var errGone = errors.New("config.yaml is gone: put it back, or write an empty one if all shall be as by default")

// gone reports whether the file is gone whose settings are in force, and one of them would change.
func gone(was, written *config.Config, differ []config.Change) bool {
	return was.Found && !written.Found && len(differ) > 0
}

// SettingsView is all settings in force.
type SettingsView struct {
	SettingsStatus
	InForce []config.Shown `json:"in_force"`
}

// Reloaded is what a reload of settings and policy took over.
type Reloaded struct {
	Taken   []config.Change `json:"taken"`
	Restart []config.Change `json:"restart"` // what only a restart takes over
	Policy  PolicyStatus    `json:"policy"`
}

// settingsStatus returns nil if the settings cannot be read again. What is wrong with the file now
// is said where status says why a restart would fail.
func (a *Agent) settingsStatus() *SettingsStatus {
	if a.inForce.read == nil {
		return nil
	}
	s := &SettingsStatus{Since: *a.inForce.since.Load()}
	if failed := a.inForce.failed.Load(); failed != nil {
		s.Failed = *failed
	}
	if written, err := a.inForce.read(); err == nil {
		was := a.settings()
		s.Differ = was.Changes(written)
		s.Gone = gone(was, written, s.Differ)
	}
	return s
}

func (a *Agent) settingsView() SettingsView {
	v := SettingsView{InForce: a.settings().Show()}
	if s := a.settingsStatus(); s != nil {
		v.SettingsStatus = *s
	}
	return v
}

// Reload reads settings and policy again, with the checks of a start, and takes over what can
// change while the agent runs. If anything of it is wrong all stays as it was; status and metric
// say so.
func (a *Agent) Reload(ctx context.Context) (Reloaded, error) { return a.reload(ctx, false) }

// reload does what [Agent.Reload] does; force takes a policy whose tests fail.
func (a *Agent) reload(ctx context.Context, force bool) (Reloaded, error) {
	tests := a.tryWritten(ctx)
	if err := ctx.Err(); err != nil {
		return Reloaded{}, err
	}
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if a.reloading != nil {
		defer a.reloading()()
	}
	done, err := a.reloadLocked(ctx, tests, force)
	a.metrics.SettingsReload(err == nil)
	if err != nil {
		return done, err
	}
	a.inForce.failed.Store(nil)
	done.Policy = a.policyStatus()
	return done, nil
}

// keepSettings reports that a reload failed and the settings in force stay.
func (a *Agent) keepSettings(err error) {
	a.inForce.failed.Store(new(err.Error()))
	a.log.Error("settings not reloaded, the old ones stay in force", "err", err)
	content := encodeRecord(map[string]string{"reason": plain.Cut(err.Error(), audit.MaxText)})
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "settings reload failed", Content: content}
	if err := a.ledger.Note(entry); err != nil {
		a.log.Error("reload not recorded", "err", err)
	}
}

// tryWritten runs the tests beside the policy file that the settings name as they are written now.
func (a *Agent) tryWritten(ctx context.Context) tried {
	was := a.settings()
	written := was
	if a.inForce.read != nil {
		var err error
		if written, err = a.inForce.read(); err != nil {
			return tried{} // said when they are to be taken
		}
	}
	next, p, _, err := a.nextPolicy(was, written, a.beyondReach(ctx, was, written)...)
	if err != nil {
		return tried{}
	}
	return a.tryPolicy(ctx, next, p)
}

func (a *Agent) reloadLocked(ctx context.Context, tests tried, force bool) (done Reloaded, err error) {
	was := a.settings()
	written, differ, told := was, true, false
	defer func() {
		if err != nil && differ {
			a.keepSettings(err)
		}
		if err != nil && !told {
			a.tellNotReloaded("The settings are not taken, the old ones stay in force.",
				"On the wallet's machine: `pksa config check`.", err.Error())
		}
	}()
	if a.inForce.read != nil {
		if written, err = a.inForce.read(); err != nil {
			return done, fmt.Errorf("the settings cannot be used:\n%w", err)
		}
	}
	differs := was.Changes(written)
	differ = len(differs) > 0
	if gone(was, written, differs) {
		return done, errGone
	}
	beyond := a.beyondReach(ctx, was, written)
	next, p, warnings, err := a.nextPolicy(was, written, beyond...)
	if err != nil {
		a.keepPolicy(err)
		told = true
		return done, fmt.Errorf("the policy cannot be used:\n%w", err)
	}
	if err := a.refuses(tests, p, force); err != nil {
		if errors.Is(err, errUnapproved) {
			a.waitForApproval()
			told = true
		} else if !errors.Is(err, errMeanwhile) {
			a.keepPolicy(err)
			told = true
		}
		return done, err
	}
	done = Reloaded{Taken: []config.Change{}, Restart: []config.Change{}} // lists in JSON, too
	for _, c := range was.Changes(written) {
		c.Restart = c.Restart || c.Path == "policy" && next.Policy == was.Policy || slices.Contains(beyond, c.Path)
		if c.Restart {
			done.Restart = append(done.Restart, c)
		} else {
			done.Taken = append(done.Taken, c)
		}
	}
	change, err := a.prepareChange(was, next)
	if err != nil {
		return done, err
	}
	if err := a.recordSettings(ctx, next, done); err != nil {
		change.drop()
		return done, err
	}
	// The last that can fail: it records, and then the policy is in force.
	if err := a.takePolicy(ctx, p, warnings, tests); err != nil {
		change.drop()
		return done, err
	}
	a.inForce.config.Store(next)
	change.take()
	for _, w := range next.Warnings {
		a.log.Warn("a setting should be mended", "where", w.Where, "what", w.Text)
	}
	a.finishReload(ctx, done)
	a.running.start(func() { a.requireApproval(a.work) })
	return done, nil
}

// NewDesk makes the notifiers of the settings. transport makes their exchanges; nil is the network.
func NewDesk(cfg *config.Config, transport http.RoundTripper, log *slog.Logger) *notify.Desk {
	return notify.New(notify.Options{Wallet: cfg.Name, Targets: Targets(cfg), Transport: transport, Logger: log,
		Named: harden.NamedSource})
}

// Targets returns where the notifiers of the settings send.
func Targets(cfg *config.Config) (all []notify.Target) {
	for _, n := range cfg.Notify {
		all = append(all, notify.Target{Kind: n.Kind, URL: n.URL, Topic: n.Topic, Source: n.Source, Full: n.Full})
	}
	return all
}

// beyondReach returns the settings that stay as they are until a restart, because the sandbox of
// this process keeps it from a file that they name. Where a file of a notifier is not there, or
// others can read it, the notifier is taken and status says so.
func (a *Agent) beyondReach(ctx context.Context, was, written *config.Config) []string {
	if slices.Equal(was.Notify, written.Notify) || !harden.Confined(a.hardening) {
		return nil
	}
	for _, t := range Targets(written) {
		if errors.Is(notify.CheckSource(ctx, t), fs.ErrPermission) {
			return []string{"notify"}
		}
	}
	return nil
}

func (a *Agent) prepareNotifiers(_, next *config.Config) (take, drop func(), err error) {
	return func() { a.desk.Replace(Targets(next)) }, func() {}, nil
}

// nextPolicy returns the settings that come into force, with their policy. Where the sandbox of
// this process keeps it from the file of another policy, that stays as it is until a restart, and
// so do the settings in beyond.
func (a *Agent) nextPolicy(was, written *config.Config, beyond ...string) (*config.Config, *policy.Policy,
	policy.Problems, error) {
	next := was.Taking(written, beyond...)
	p, warnings, err := LoadPolicy(next, a.keys, a.ledger)
	if next.Policy != was.Policy && errors.Is(err, fs.ErrPermission) && harden.Confined(a.hardening) {
		next = was.Taking(written, append(beyond, "policy")...)
		p, warnings, err = LoadPolicy(next, a.keys, a.ledger)
	}
	return next, p, warnings, err
}

// prepared is a change of settings that is made ready.
type prepared struct{ takes, drops []func() }

func (p *prepared) add(take, drop func()) {
	p.takes, p.drops = append(p.takes, take), append(p.drops, drop)
}

func (p *prepared) take() {
	for _, f := range p.takes {
		f()
	}
}

func (p *prepared) drop() {
	for _, f := range slices.Backward(p.drops) {
		f()
	}
}

// prepareChange makes ready all that can fail of a change of settings. An error leaves nothing
// behind.
func (a *Agent) prepareChange(was, next *config.Config) (*prepared, error) {
	change := &prepared{}
	for _, part := range append([]Prepare{a.prepareNodes, a.prepareLinks, a.prepareNotifiers}, a.inForce.parts...) {
		take, drop, err := part(was, next)
		if err != nil {
			change.drop()
			return nil, err
		}
		change.add(take, drop)
	}
	return change, nil
}

func (a *Agent) prepareNodes(_, next *config.Config) (take, drop func(), err error) {
	take, err = a.node.Rename(next.Nodes, next.NodeList)
	return take, func() {}, err
}

// prepareLinks makes the links to relays that are new, or whose entry has changed.
func (a *Agent) prepareLinks(was, next *config.Config) (take, drop func(), err error) {
	if a.lock.Locked() {
		return func() {}, func() {}, nil // unlocking makes them, by the settings of then
	}
	var fresh, gone []*link.Link
	drop = func() {
		for _, l := range fresh {
			l.Unpin()
		}
	}
	for _, relay := range was.Relays {
		if l, ok := a.linkOf(relay); ok && !slices.Contains(next.Relays, relay) {
			gone = append(gone, l)
		}
	}
	taken := map[string]bool{}
	for _, relay := range next.Relays {
		l, ok := a.linkOf(relay)
		var err error
		if !ok || slices.Contains(gone, l) {
			if l, err = a.newLink(relay); err == nil {
				fresh = append(fresh, l)
				err = l.SetAccounts(a.proving()) // before it runs: the first connection proves them
			}
		}
		if err == nil && taken[l.URL()] {
			err = fmt.Errorf("relay %q is configured twice", relay.URL)
		}
		if err != nil {
			drop()
			return nil, nil, err
		}
		taken[l.URL()] = true
	}
	return func() { a.takeLinks(next, gone, fresh) }, drop, nil
}

// linkOf returns the link to a relay of the settings in force.
func (a *Agent) linkOf(relay config.Relay) (*link.Link, bool) {
	for _, l := range a.links.all() {
		if sameRelay(l.URL(), relay.URL) && a.addedAt(l.URL()) == nil {
			return l, true
		}
	}
	return nil, false
}

// takeLinks replaces links. A relay that was added by pairing, and that the settings name now, is
// theirs from now on.
func (a *Agent) takeLinks(next *config.Config, gone, fresh []*link.Link) {
	linkRate, accountRate := rates(next)
	defer func() {
		for _, l := range a.links.all() {
			l.SetRates(linkRate, accountRate)
		}
	}()
	if len(gone)+len(fresh) == 0 {
		return
	}
	for _, l := range fresh {
		a.links.change(l.URL(), func(r *addedRelay) { clear(r.offers) })
	}
	a.settleLocked()
	for _, l := range gone {
		a.twins.remove(l.URL())
		l.Unpin()
		if !slices.ContainsFunc(fresh, func(other *link.Link) bool { return other.URL() == l.URL() }) {
			a.relayKeys.Forget(l.URL())
		}
	}
	for _, l := range fresh {
		a.twins.add(l.URL(), next.OwnRelay(l.URL()))
	}
	stops, ok := a.links.exchange(gone, fresh)
	if !ok {
		return
	}
	for i, l := range gone {
		a.endLink(l, stops[i])
	}
	if a.ownRelay != nil {
		a.reserveOwnKey(a.ownRelay().Public, fresh)
	}
}

// recordSettings records a change of settings before it is made.
func (a *Agent) recordSettings(ctx context.Context, next *config.Config, done Reloaded) error {
	if len(done.Taken) == 0 {
		return nil
	}
	content := struct {
		Settings []string `json:"settings"`
		Relays   []string `json:"relays"`
	}{}
	for _, c := range done.Taken {
		content.Settings = append(content.Settings, c.Path)
	}
	for _, relay := range next.Relays {
		content.Relays = append(content.Relays, relay.URL)
	}
	entry := ledger.Entry{Type: ledger.RecordAdmin, Outcome: "settings reload", Content: encodeRecord(content)}
	if _, err := a.ledger.Append(ctx, entry); err != nil {
		return fmt.Errorf("recording the reload: %w", err)
	}
	return nil
}

// finishReload logs what a reload changed, and settles what need not be settled at once.
func (a *Agent) finishReload(ctx context.Context, done Reloaded) {
	for _, c := range done.Taken {
		a.log.Info("setting reloaded", "setting", c.Path, "was", c.InForce, "is", c.InFile)
	}
	for _, c := range done.Restart {
		a.log.Warn("a setting has changed that only a restart takes over", "setting", c.Path)
	}
	if len(done.Taken) == 0 {
		return
	}
	a.inForce.since.Store(new(time.Now()))
	if err := a.ledger.SettleRelays(ctx, a.configured); err != nil {
		a.log.Warn("the relays of paired sessions are settled by the next start", "err", err)
	}
}
