package agent

import (
	"context"
	"crypto/cipher"
	"fmt"
	"maps"
	"sync"
	"time"

	"pksa/agent/config"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/probe"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// YieldError is the reason why this copy of the wallet does not serve: another copy of it does.
type YieldError struct{ Yield ledger.Yield }

// Error returns what happened, when and where.
func (e *YieldError) Error() string {
	return fmt.Sprintf("another copy of this wallet serves the same accounts: it was met at %s through %s, with %d "+
		"records in its ledger where this one had %d. This copy has yielded and serves nothing",
		e.Yield.At.UTC().Format(time.RFC3339), e.Yield.Relay, e.Yield.Other, e.Yield.Records)
}

// CheckYield returns a *YieldError if this copy has yielded in an earlier run.
func CheckYield(l *ledger.Ledger) error {
	if y, yielded := l.Yielded(); yielded {
		return &YieldError{y}
	}
	return nil
}

// TwinStatus is another copy of this wallet, as status shows it.
type TwinStatus struct {
	Relay   string    `json:"relay"` // at which it was met
	At      time.Time `json:"at"`    // when it was met last
	Records uint64    `json:"records"`
	Yielded bool      `json:"yielded"` // this copy has yielded; else the other one should
	Advice  string    `json:"advice"`
}

// canaryWait is how long two probes in a row may take until both are lost.
const canaryWait = 30 * time.Second

// Canary sends a probe through each relay and waits for what it finds out.
func (a *Agent) Canary(ctx context.Context) ([]probe.Canary, error) {
	waiting, cancel := context.WithTimeout(ctx, canaryWait)
	defer cancel()
	links := a.links.all()
	found := make([]probe.Canary, len(links))
	var probes sync.WaitGroup
	for i, l := range links {
		probes.Go(func() { found[i] = a.probeNow(waiting, l) })
	}
	probes.Wait()
	return found, context.Cause(ctx)
}

// probeNow sends a probe through a relay, and another one if it fails.
func (a *Agent) probeNow(ctx context.Context, l *link.Link) probe.Canary {
	begun, sent := time.Now(), l.Status().Registered > 0
	a.twins.tell(func(w *probe.Watch, now time.Time) { sent = sent && w.Ask(l.URL(), now) })
	for {
		a.twins.mu.Lock()
		news := a.twins.news
		a.twins.mu.Unlock()
		c := a.canary(l.URL())
		switch {
		case c.Result == probe.Own, c.Result != probe.Unsure && c.At.After(begun):
			return c
		case !sent:
			return probe.Canary{Relay: l.URL(), Result: probe.Unsent}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return c
		}
	}
}

// twinShown is how long status shows a copy that is not met any more.
const twinShown = 24 * time.Hour

// What a person does about another copy, by who has yielded.
const (
	adviceServes = "the other copy yields: find it and remove it. If it is the one that should go on, stop this one " +
		"first, then run `pksa ledger moved` there"
	adviceYielded = "remove this copy; or, if it is the one that should go on, stop the other one first, then run " +
		"`pksa ledger moved` here"
)

// twins looks for other copies of this wallet: package probe decides, and this carries out.
// Handlers of links, watchTwins, status and the hourly sums use it.
type twins struct {
	sealer  cipher.AEAD
	wake    chan struct{}  // holds one: the watch has something to do
	yielded chan struct{}  // closed when this copy has yielded
	notes   sync.WaitGroup // of the yield, on their way to the disk

	mu     sync.Mutex               // guards all that follows
	gates  map[string]chan struct{} // by relay; closed when it is served
	watch  *probe.Watch
	open   int                          // gates that are closed channels
	asked  map[string]hive.AccountName  // the account of the last probe, by relay
	counts map[string]map[string]uint64 // since the sums were recorded, by relay
	last   map[string]probe.Finding     // that was counted, by relay
	news   chan struct{}                // closed and replaced when a probe found out anything
	twin   *TwinStatus                  // that was met last
	yield  *ledger.Yield                // nil: not yielded
}

func (t *twins) begin(cfg *config.Config, keys *keystore.Store, l *ledger.Ledger) {
	t.sealer = keys.ProbeSealer()
	t.wake, t.yielded = make(chan struct{}, 1), make(chan struct{})
	t.gates, t.asked = map[string]chan struct{}{}, map[string]hive.AccountName{}
	t.counts, t.last = map[string]map[string]uint64{}, map[string]probe.Finding{}
	t.news = make(chan struct{})
	t.watch = probe.New(probe.Options{Instance: probe.NewID(), Interval: cfg.Canary, Records: func() uint64 {
		number, _ := l.Head()
		return number
	}})
}

// add adds a relay. At the own relay there are no probes: a copy of this wallet has an own relay,
// too, and is not registered at ours.
func (t *twins) add(relay string, own bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gates[relay] = make(chan struct{})
	if own {
		close(t.gates[relay])
		t.open++
		return
	}
	t.watch.Add(relay)
}

// remove forgets a relay. What waits for it to be served is not served.
func (t *twins) remove(relay string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gate, ok := t.gates[relay]
	if !ok {
		return
	}
	t.watch.Remove(relay)
	delete(t.gates, relay)
	delete(t.asked, relay)
	delete(t.last, relay)
	if isClosed(gate) {
		t.open--
	} else {
		close(gate)
	}
}

// gate returns what is closed when a relay is served; nil if there is no such relay.
func (t *twins) gate(relay string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gates[relay]
}

// mayServe waits until requests of a relay may be served: until the first probe there had its time.
// It reports false if the agent stops before, or has yielded.
func (t *twins) mayServe(relay string, quit <-chan struct{}) bool {
	gate := t.gate(relay)
	if gate == nil {
		return false
	}
	select {
	case <-gate:
	case <-quit:
		return false
	case <-t.yielded:
		return false
	}
	return !t.hasYielded() && t.gate(relay) == gate
}

func (t *twins) hasYielded() bool { return isClosed(t.yielded) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// notServing returns why requests of no relay are served; empty if those of one are.
func (t *twins) notServing() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.yield != nil:
		return (&YieldError{*t.yield}).Error() + "; " + adviceYielded
	case t.open == 0:
		return "looking whether another copy of this wallet serves"
	}
	return ""
}

// tell changes the watch, and has watchTwins do what it wants.
func (t *twins) tell(change func(w *probe.Watch, now time.Time)) {
	t.mu.Lock()
	change(t.watch, time.Now())
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default: // one token is enough for any number of changes
	}
}

func (t *twins) registered(relay string) {
	t.tell(func(w *probe.Watch, now time.Time) { w.Registered(relay, now) })
}

// heard takes what a relay says about a probe of ours.
func (t *twins) heard(relay string, m protocol.Message) {
	t.tell(func(w *probe.Watch, now time.Time) {
		if wait, ok := m.(protocol.Wait); ok {
			w.Named(relay, wait.UUID.Key())
			return
		}
		answer, ok := protocol.AnswerOf(m)
		if !ok {
			return
		}
		var said *probe.Message    // nil: whoever answers has not opened the probe
		ack, _ := m.(protocol.Ack) // a refusal carries nothing
		if message, err := probe.Open(t.sealer, string(t.asked[relay]), string(ack.Data)); err == nil {
			said = &message
		}
		w.Answered(relay, answer.RequestUUID().Key(), said, now)
	})
}

// probed takes a probe that a relay delivered, ours or that of another copy. It uses nothing of
// what requests use: no session, no limit, no record of its own.
func (a *Agent) probed(l *link.Link, msg protocol.Request) {
	message, err := probe.Open(a.twins.sealer, string(msg.Account), msg.Data)
	if err != nil {
		a.drop(delivered{link: l, relay: l.URL(), msg: msg}, dropProbe)
		return
	}
	a.twins.tell(func(w *probe.Watch, now time.Time) {
		w.Delivered(l.URL(), string(msg.Account), string(msg.UUID), message, now)
	})
}

// watchTwins does what the watch wants, until ctx ends. It calls quit when another copy serves in
// place of this one.
func (a *Agent) watchTwins(ctx context.Context, quit func()) {
	for {
		actions, next, unaccepted := a.twins.due()
		if unaccepted {
			// The relay did not pass on our own answer. The usual reason is the one for which it
			// refuses others: a key that was changed on the chain.
			a.recheckKeys()
		}
		for _, action := range actions {
			a.act(ctx, action, quit)
		}
		length := time.Hour
		if !next.IsZero() {
			length = time.Until(next)
		}
		if !pause(ctx, length, a.twins.wake) {
			return
		}
	}
}

// due returns what is to be done now, when something is due next, and whether a relay has just not
// taken our answer to a probe.
func (t *twins) due() (actions []probe.Action, next time.Time, unaccepted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = t.watch.Tick(time.Now())
	for relay := range t.gates {
		f := t.watch.Finding(relay)
		if f == t.last[relay] {
			continue
		}
		t.last[relay] = f
		close(t.news)
		t.news = make(chan struct{})
		unaccepted = unaccepted || f.Outcome == probe.Unaccepted
		if t.counts[relay] == nil {
			t.counts[relay] = map[string]uint64{}
		}
		t.counts[relay][string(f.Outcome)]++
		if f.Outcome == probe.Met && t.twin != nil {
			t.twin.At = f.At
		}
	}
	return t.watch.Actions(), next, unaccepted
}

// sums returns what the probes found out since it was called last; nil if there were none.
func (t *twins) sums() map[string]map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) == 0 {
		return nil
	}
	counts := maps.Clone(t.counts)
	clear(t.counts)
	return counts
}

// act carries out one deed. Sending may wait for a relay that does not read, and must not hold up
// what concerns another relay.
func (a *Agent) act(ctx context.Context, action probe.Action, quit func()) {
	l, ok := a.linkAt(action.Relay)
	if !ok && (action.Do == probe.SendProbe || action.Do == probe.SendAnswer) {
		return // the relay was removed since this was due
	}
	switch action.Do {
	case probe.SendProbe:
		a.running.start(func() { a.sendProbe(ctx, l, action) })
	case probe.SendAnswer:
		a.running.start(func() { a.answerProbe(ctx, l, action) })
	case probe.Serve:
		a.twins.serve(action.Relay)
	case probe.Alarm:
		a.meet(action, nil)
	case probe.Yield:
		y := a.yield(action)
		// Beside: the disk may be slow, and the other copy waits for an answer meanwhile.
		a.twins.notes.Go(func() { a.noteYield(ctx, action, y) })
	case probe.Stop:
		a.twins.notes.Wait()
		quit()
	}
}

func (t *twins) serve(relay string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if gate := t.gates[relay]; gate != nil && !isClosed(gate) {
		close(gate)
		t.open++
	}
}

func (a *Agent) sendProbe(ctx context.Context, l *link.Link, action probe.Action) {
	t := &a.twins
	t.mu.Lock()
	account, ok := l.NextRegistered(t.asked[l.URL()])
	t.asked[l.URL()] = account // before it is sent: an answer may come at once
	t.mu.Unlock()
	err := link.ErrNotConnected
	if ok {
		err = l.Ask(ctx, account, probe.Seal(t.sealer, string(account), action.Message))
	}
	if err != nil {
		a.log.Debug("probe not sent", "relay", l.URL(), "err", err)
		t.tell(func(w *probe.Watch, now time.Time) { w.NotSent(l.URL(), action.Message.Nonce, now) })
	}
}

// answerProbe answers a probe. The proof of key that every answer carries is all that an account's
// key is used for.
func (a *Agent) answerProbe(ctx context.Context, l *link.Link, action probe.Action) {
	if !a.ledger.Leads() {
		return // the copy that asks may have taken over, and must not yield to this one
	}
	sealed := probe.Seal(a.twins.sealer, action.Account, action.Message)
	answer := protocol.Ack{Kind: protocol.Challenge, UUID: protocol.UUID(action.UUID), Data: []byte(sealed)}
	if err := l.Answer(ctx, hive.AccountName(action.Account), answer); err != nil {
		a.log.Debug("probe not answered", "relay", l.URL(), "err", err)
	}
}

// meet shows everybody who looks that another copy was met, and what to do. yielded says that this
// copy yields.
func (a *Agent) meet(action probe.Action, yielded *ledger.Yield) {
	what, advice := alarmTwin, adviceServes
	if yielded != nil {
		what, advice = alarmTwinYielded, adviceYielded
	}
	a.twins.mu.Lock()
	a.twins.twin = &TwinStatus{Relay: action.Relay, At: time.Now(), Records: action.Other.Records,
		Yielded: yielded != nil, Advice: advice}
	a.twins.mu.Unlock()
	a.alarm(what, "relay", action.Relay, "instance", action.Other.Instance, "records", action.Other.Records,
		"our_records", action.Own.Records, "todo", advice)
}

// yield stops serving at once.
func (a *Agent) yield(action probe.Action) ledger.Yield {
	y := ledger.Yield{At: time.Now(), Relay: action.Relay, Records: action.Own.Records, Other: action.Other.Records}
	a.twins.mu.Lock()
	a.twins.yield = &y
	a.twins.mu.Unlock()
	close(a.twins.yielded)
	return y
}

// noteYield writes the yield down, so that it holds after every start until the operator says that
// this copy goes on, and tells of it.
func (a *Agent) noteYield(ctx context.Context, action probe.Action, y ledger.Yield) {
	// On disk: nothing of the yield. The next start waits for the answer to a probe of its own.
	crashpoint("yielding")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // a disk that hangs must not hold up the stop
	defer cancel()
	err := a.ledger.Yield(ctx, y, ledger.Entry{Type: ledger.RecordEvent, Outcome: eventYield,
		Content: encodeRecord(map[string]any{"relay": y.Relay, "records": y.Records, "other": y.Other,
			"reason": "another copy of this wallet serves the same accounts"})})
	if err != nil {
		a.log.Error("the yield is not recorded; the next start looks for the other copy again", "err", err)
	}
	// On disk: the yield. Every start refuses to serve.
	crashpoint("yielded")
	a.meet(action, &y)
}

// yieldError returns why a run ended by itself; nil if it has not yielded.
func (t *twins) yieldError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.yield == nil {
		return nil
	}
	return &YieldError{*t.yield}
}

// status returns the copy that was met in the last day; nil if none was.
func (t *twins) status() *TwinStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.twin == nil || time.Since(t.twin.At) > twinShown {
		return nil
	}
	twin := *t.twin
	return &twin
}

// canary returns whether a relay delivers, by what the last probes found out.
func (a *Agent) canary(relay string) probe.Canary {
	if a.settings().OwnRelay(relay) {
		return probe.Canary{Relay: relay, Result: probe.Own}
	}
	a.twins.mu.Lock()
	defer a.twins.mu.Unlock()
	return a.twins.watch.Finding(relay).Canary(relay)
}

// answeredElsewhere raises an alarm when a relay says that another wallet answered a request before
// us, and said something else. Another copy of this wallet would do that.
func (a *Agent) answeredElsewhere(relay string) {
	a.alarm(alarmElsewhere, "relay", relay, "todo",
		"find out whether another copy of this wallet runs, or another wallet has a session of the same application")
}
