package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/notify"
	"pksa/agent/probe"
	"pksa/agent/status"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Ready returns the reasons of the wallet's own for which no transaction is signed now, whoever
// asks and whatever the policy says; none means ready. What concerns one account, app or limit is
// not among them.
func (a *Agent) Ready() []string { return texts(a.hindrances(time.Now())) }

// liveWait is how long the ledger may take to come round.
const liveWait = 3 * time.Second

// Live returns nil while the process and the committing goroutine of its ledger go on, whatever
// hinders transactions from outside: a restart would mend nothing of that.
func (a *Agent) Live(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveWait)
	defer cancel()
	if err := a.ledger.ComesRound(ctx); err != nil {
		return fmt.Errorf("the ledger has not come round within %s: does the disk with the home folder answer? If it "+
			"does, start the wallet again: %w", liveWait, err)
	}
	return nil
}

// named returns hindrances with texts whose commands name the home folder.
func named(hindrances []status.Hindrance, inPlace func(string) string) []status.Hindrance {
	if inPlace != nil {
		for i := range hindrances {
			hindrances[i].Text = inPlace(hindrances[i].Text)
		}
	}
	return hindrances
}

func texts(hindrances []status.Hindrance) (texts []string) {
	for _, h := range hindrances {
		texts = append(texts, h.Text)
	}
	return texts
}

// stillServed returns what is served all the same; empty if nothing hinders, or nothing is served.
func stillServed(hindrances []status.Hindrance) string {
	for _, h := range hindrances {
		if !h.Transactions {
			return ""
		}
	}
	if len(hindrances) == 0 {
		return ""
	}
	return "logins and challenges"
}

// hindrances asks what a request to sign has to pass, in the order in which it comes there, each by
// the function that would refuse it.
func (a *Agent) hindrances(now time.Time) (found []status.Hindrance) {
	add := func(cause status.Cause, text string) {
		if text != "" {
			found = append(found, status.Hindrance{Cause: cause, Text: text})
		}
	}
	if a.stopping.Load() {
		add(status.CauseStopping, "stopping")
	}
	add(status.CausePaused, a.pauseProblem())
	locked := a.lockProblem()
	add(status.CauseLocked, locked)
	if locked == "" { // else there are no links, and no keys to be told of
		add(status.CauseRelay, a.relayProblem())
		add(status.CauseTwin, a.twinProblem())
		add(status.CauseKeys, a.keysProblem())
	}
	if err := a.ledger.Err(); err != nil {
		cause := status.CauseLedger
		if errors.Is(err, ledger.ErrNoRoom) {
			cause = status.CauseDisk
		}
		add(cause, "the ledger takes nothing: "+err.Error())
	}
	add(status.CauseClock, a.clockProblem(now))
	add(status.CauseClock, futureProblem(a.ledger.Now(), now))
	if !a.hasBegun() && a.clock.doubted() == "" {
		add(status.CauseStarting, "starting: what an earlier process left is taken up first")
	}
	add(status.CauseKeys, a.guardProblem())
	for _, h := range a.transactionProblems(now) {
		h.Transactions = true
		found = append(found, h)
	}
	return found
}

// transactionProblems returns why no transaction can be made, signed and broadcast. Nothing else
// needs what they are about.
func (a *Agent) transactionProblems(now time.Time) (found []status.Hindrance) {
	add := func(cause status.Cause, text string) {
		found = append(found, status.Hindrance{Cause: cause, Text: text})
	}
	if reason := noNodeText(a.node.Status()); reason != "" {
		add(status.CauseNode, reason)
	} else if head, err := a.node.Standing(); err != nil {
		add(status.CauseNode, "no transaction is made: "+err.Error()+"; `pksa status` shows the nodes")
	} else if reason := skewProblem(head, now); reason != "" {
		add(status.CauseClock, "no transaction is made: "+reason+"; set the clock of this machine")
	}
	if len(a.keys.Accounts()) > 0 && !a.holdsSigner() {
		add(status.CauseKeys, "no transaction is signed: only memo keys are held; import another with "+
			"`pksa keys import ACCOUNT --role posting --from prompt`")
	}
	if a.recent.waits(now) {
		add(status.CauseLedger, errIDsUnknown.Error())
	}
	if a.recent.full("", now) {
		add(status.CauseLedger, errManyIDs.Error())
	}
	if a.uncertain.full("") {
		add(status.CauseNode, errUncertain.Error())
	}
	return found
}

const (
	// tellEvery is how often it is looked whether people have to be told something.
	tellEvery = 15 * time.Second
	// notReadyFor is how long the wallet signs nothing before people are told.
	notReadyFor = 5 * time.Minute
	// limitTold is the part of a limit from which on people are told, once until less is used.
	limitTold = 0.8
)

// toldOf is what people were told of, and not yet told that it is over. watchTold owns it.
type toldOf struct {
	notReady time.Time // since when the wallet is not; zero: it is
	said     bool      // that it is not
	logged   string    // the causes that the log has; empty: it is ready by the log
	limits   map[string]bool
	backlog  bool
}

// watchTold lets people know of what lasts, or grows, and that no single event shows.
func (a *Agent) watchTold(ctx context.Context) {
	var told toldOf
	every(ctx, tellEvery, func() {
		if a.stopping.Load() {
			return
		}
		now := time.Now()
		hindrances := a.hindrances(now)
		if len(hindrances) > 0 && told.notReady.IsZero() {
			told.notReady = now
		}
		a.logReady(&told, hindrances, now)
		if a.desk.Any() {
			a.tellReady(&told, hindrances, now)
			a.tellLimits(&told)
			a.tellBacklog(&told, a.ledger.Backlog())
		}
		if len(hindrances) == 0 {
			told.notReady, told.said = time.Time{}, false
		}
	})
}

// logReady logs that the wallet is not ready, and why, where it lasts. What the operator does, and
// what ends by itself, has lines of its own.
func (a *Agent) logReady(told *toldOf, hindrances []status.Hindrance, now time.Time) {
	own := []status.Cause{status.CausePaused, status.CauseLocked, status.CauseStarting, status.CauseStopping}
	hindrances = slices.DeleteFunc(slices.Clone(hindrances), func(h status.Hindrance) bool {
		return slices.Contains(own, h.Cause)
	})
	is := strings.Join(causesOf(hindrances), ", ")
	switch {
	case is == told.logged:
	case is == "":
		a.log.Info("ready again")
	// One look may fall between the end of a connection and the next one.
	case now.Sub(told.notReady) < tellEvery:
		return
	default:
		a.log.Warn("not ready", "causes", is, "since", told.notReady.UTC().Format(time.RFC3339),
			"hint", hindrances[0].Text)
	}
	told.logged = is
}

// causesOf returns each cause once.
func causesOf(hindrances []status.Hindrance) (causes []string) {
	for _, h := range hindrances {
		if cause := string(h.Cause); !slices.Contains(causes, cause) {
			causes = append(causes, cause)
		}
	}
	return causes
}

func (a *Agent) tellReady(told *toldOf, hindrances []status.Hindrance, now time.Time) {
	if len(hindrances) == 0 {
		if told.said {
			a.desk.Tell(notify.Event{Kind: notify.Ready, What: fmt.Sprintf("It signed nothing for %s.",
				shortSpan(now.Sub(told.notReady).Round(time.Minute)))})
		}
		return
	}
	if told.said || now.Sub(told.notReady) < notReadyFor {
		return
	}
	told.said = true
	a.desk.Tell(notify.Event{Kind: notify.NotReady, What: "For 5 minutes, because of: " +
		strings.Join(causesOf(hindrances), ", ") + ".",
		Do: "On the wallet's machine: `pksa status` says what to do.", Details: texts(hindrances)})
}

func (a *Agent) tellLimits(told *toldOf) {
	full := map[string]bool{}
	for _, l := range a.limitGauges() {
		name := l.Limit + " " + l.Unit + " " + l.Window
		if l.Most <= 0 || l.Used < limitTold*l.Most {
			continue
		}
		if full[name] = true; told.limits[name] {
			continue
		}
		a.desk.Tell(notify.Event{Kind: notify.Limit, What: "80 % or more of a limit of the policy is used.",
			Do: "On the wallet's machine: `pksa status` shows the limits.",
			Details: []string{fmt.Sprintf("Limit %s: %v of %v %s used in %s.", l.Limit, l.Used, l.Most, l.Unit,
				l.Window)}})
	}
	told.limits = full // of limits that are in force
}

func (a *Agent) tellBacklog(told *toldOf, err error) {
	if err != nil && !told.backlog {
		a.desk.Tell(notify.Event{Kind: notify.Backlog, What: "The ledger grows until that works again.",
			Do:      "On the wallet's machine: `pksa doctor`; is the disk full, or the folder audit not writable?",
			Details: []string{err.Error()}})
	}
	told.backlog = err != nil
}

// Paused is whether the operator paused the wallet, or an app.
type Paused struct {
	Paused  bool      `json:"paused"`
	App     string    `json:"app,omitempty"` // empty: the wallet
	Since   time.Time `json:"since,omitzero"`
	Already bool      `json:"already,omitempty"` // it was so before
}

// pauseProblem returns that the wallet is paused, and what ends it; empty if it is not.
func (a *Agent) pauseProblem() string {
	if !a.paused.Load() {
		return ""
	}
	said := "paused by its operator"
	if since, paused := a.ledger.Paused(); paused {
		said += " since " + since.UTC().Format(time.RFC3339)
	}
	return said + ": each request is told to come again later, until `pksa resume`"
}

// appPaused returns that an app is paused, and what ends it; empty if it is not.
func (a *Agent) appPaused(app string) string {
	since, paused := a.ledger.PausedApp(app)
	if !paused {
		return ""
	}
	return fmt.Sprintf("app %s is paused by its operator since %s: each request of it is told to come again later, "+
		"until `pksa resume %s`", app, since.UTC().Format(time.RFC3339), app)
}

// pausedNow returns an error if an app is not paused, or the wallet, if the name is empty.
func (a *Agent) pausedNow(app string) error {
	switch _, paused := a.ledger.PausedApp(app); {
	case app == "" && !a.paused.Load():
		return errors.New("the wallet is not paused")
	case app != "" && !paused:
		return fmt.Errorf("app %s is not paused", plain.Quote(app, 32))
	}
	return nil
}

// Pause has each request told to come again later, or those of one app, until Resume, also over
// restarts. It returns when that is on disk. An empty name is the whole wallet.
func (m Admin) Pause(ctx context.Context, app string) (Paused, error) {
	_, already := m.paused(app)
	if err := m.Ledger.Pause(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "pause", App: app}); err != nil {
		return Paused{}, fmt.Errorf("recording the pause: %w", m.explain(app, err))
	}
	since, paused := m.paused(app)
	return Paused{Paused: paused, App: app, Since: since, Already: already}, nil
}

// Resume ends what Pause began.
func (m Admin) Resume(ctx context.Context, app string) (Paused, error) {
	return m.resume(ctx, app, nil)
}

// resume ends a pause. yes is of who said so with a passkey; nil: nobody did.
func (m Admin) resume(ctx context.Context, app string, yes *approve.Proof) (Paused, error) {
	_, was := m.paused(app)
	e := ledger.Entry{Type: ledger.RecordAdmin, Outcome: audit.OutcomeResume, App: app}
	if yes != nil {
		e.Content = encodeRecord(struct {
			Approval *approve.Proof `json:"approval"`
		}{yes})
	}
	if err := m.Ledger.Resume(ctx, e); err != nil {
		return Paused{}, fmt.Errorf("recording the end of the pause: %w", m.explain(app, err))
	}
	return Paused{App: app, Already: !was}, nil
}

func (m Admin) paused(app string) (time.Time, bool) {
	if app == "" {
		return m.Ledger.Paused()
	}
	return m.Ledger.PausedApp(app)
}

// beginPause does what [Admin.Pause] does for a wallet that runs: nothing is granted from the
// moment of the call, whether the disk takes the note at once or not. An app alone is paused when
// its note is on disk.
func (a *Agent) beginPause(ctx context.Context, p PauseParams) (Paused, error) {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	if p.App != "" {
		paused, err := a.admin().Pause(ctx, p.App)
		if err == nil {
			a.log.Warn(a.appPaused(p.App))
		}
		return paused, err
	}
	a.paused.Store(true)
	paused, err := a.admin().Pause(ctx, "")
	if err != nil {
		_, was := a.ledger.Paused()
		a.paused.Store(was)
		return paused, err
	}
	a.log.Warn(a.pauseProblem())
	return paused, nil
}

// endPause lets requests be served again, once that is on disk.
func (a *Agent) endPause(ctx context.Context, p PauseParams) (Paused, error) {
	return a.serveAgain(ctx, p.App, nil)
}

func (a *Agent) serveAgain(ctx context.Context, app string, yes *approve.Proof) (Paused, error) {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	p, err := a.admin().resume(ctx, app, yes)
	if err != nil {
		return p, err
	}
	if app != "" {
		a.log.Info("resumed", "app", app)
		return p, nil
	}
	a.paused.Store(false)
	a.log.Info("resumed")
	return p, nil
}

// relayProblem returns why no request comes; empty if a relay with registered accounts delivers, or
// may deliver.
func (a *Agent) relayProblem() string {
	registered := 0
	for _, l := range a.links.all() {
		if l.Status().Registered == 0 {
			continue
		}
		if a.canary(l.URL()).Result != probe.Fails {
			return ""
		}
		registered++
	}
	if registered == 0 {
		return "no account is registered at any relay"
	}
	return "no relay delivers, or passes answers on: requests that this wallet sent itself failed"
}

// twinProblem returns why requests that come are not served: because of another copy of this
// wallet. Before an account is registered nothing comes, and nobody can be looked for.
func (a *Agent) twinProblem() string {
	reason := a.twins.notServing()
	if reason == "" || a.twins.hasYielded() {
		return reason
	}
	for _, l := range a.links.all() {
		if l.Status().Registered > 0 {
			return reason
		}
	}
	return ""
}

// keysProblem returns why no key signs; empty if one does that the chain is not known to refuse.
func (a *Agent) keysProblem() string {
	accounts := a.keys.Accounts()
	if len(accounts) == 0 {
		return "no keys are held; import one with `pksa keys import ACCOUNT --role posting --from prompt`"
	}
	if !a.mismatch.any() || !a.holdsSigner() {
		return ""
	}
	for _, name := range accounts {
		for _, role := range a.keys.Roles(name) {
			if role != hive.Memo && !a.mismatch.has(name, role) {
				return ""
			}
		}
	}
	return NoKeyFits
}

// NoKeyFits is why the wallet is not ready when the chain refuses what each held key signs.
const NoKeyFits = "none of the held keys fits its account on the chain; `pksa keys check` says what does not"

// guardProblem returns that each held account is stopped because somebody else changed it; empty if
// one is not. How each was changed stands in status by itself.
func (a *Agent) guardProblem() string {
	stopped := 0
	for _, s := range a.guard.Standings() {
		if s.Stopped {
			stopped++
		}
	}
	if held := len(a.keys.Accounts()); held == 0 || stopped < held {
		return ""
	}
	return EachStopped
}

// EachStopped is why the wallet is not ready when the guard has stopped each held account.
const EachStopped = "each held account was changed on the chain, and not by this wallet: nothing is signed until a " +
	"person accepts that"

// holdsSigner reports whether a key is held that can sign a transaction.
func (a *Agent) holdsSigner() bool {
	for _, name := range a.keys.Accounts() {
		if slices.ContainsFunc(a.keys.Roles(name), func(role hive.Role) bool { return role != hive.Memo }) {
			return true
		}
	}
	return false
}

// noNodeText returns what is missing while each node failed when it was asked last.
func noNodeText(nodes []node.NodeStatus) string {
	others := 0
	for _, n := range nodes {
		if n.Chain == "other" {
			others++
		} else if n.Failures == 0 {
			return ""
		}
	}
	why := "no Hive API node answers"
	if others > 0 && others == len(nodes) {
		why = "each Hive API node serves another chain"
	}
	return why + ": logins and challenges are served, and no transaction is"
}

// ChainStatus is what the agent knows of the chain's time.
type ChainStatus struct {
	HeadBlock uint32    `json:"head_block"`
	HeadTime  time.Time `json:"head_time"`
	ReadAt    time.Time `json:"read_at"` // when a node told it
	// Age is how long ago that was, and Skew how far our clock is ahead of the chain's; negative:
	// behind. The chain makes a block each three seconds, so a few seconds are no difference.
	Age  time.Duration `json:"age_ns"`
	Skew time.Duration `json:"clock_ahead_ns"`
}

// chainStatus returns the head that is known, also if it is too old to build on; nil if there is
// none.
func (a *Agent) chainStatus(now time.Time) *ChainStatus {
	head, ok := a.node.Newest()
	if !ok {
		return nil
	}
	return &ChainStatus{HeadBlock: head.Number, HeadTime: head.Time.Time(), ReadAt: head.At,
		Age: now.Sub(head.At), Skew: skewTo(head, now)}
}
