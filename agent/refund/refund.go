package refund

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/protocol/hive"
)

// Names of what stands in the trail.
const (
	RecordAbsent  = "transaction never on the chain"   // an event: it was proven
	RecordRelease = "limit release"                    // the operator's act
	RecordOnChain = "failed transaction was found"     // an event: the chain has it after all
	alarmReleased = "released transaction is on chain" // the name of an alarm
	alarmFailed   = "failed transaction is on chain"
)

// knownFor is how long after the expiration of a transaction nodes are believed that they never had
// it. They keep the status of each one for about two days. After that the account history answers,
// and that of many nodes reaches back a part of the chain. So what was not proven by then, because
// this wallet was down for days, say, is never proven.
const knownFor = 24 * time.Hour

// SummedAfter is how old charges are before they may be added up with others. Nothing of them can
// be given back by then, if no fate says otherwise: a transaction expires an hour after it was
// charged for at the latest, and is given up a day later.
const SummedAfter = knownFor + 2*time.Hour

// Charged is what the ledger holds of the charges for one transaction.
type Charged struct {
	Until     time.Time // when they count no more
	TxExpires time.Time
	Charges   []policy.Charge
}

// Options are what [New] needs. All members are needed.
type Options struct {
	Ledger *ledger.Ledger
	// Look asks the hosts for a transaction.
	Look func(ctx context.Context, id hive.TxID, expiration hive.Time) node.Presence
	// Charged returns the charges that count for the transactions of these fates. Those for which
	// none do are absent. It takes long for a fate without Until in a ledger with many charges.
	Charged func(ctx context.Context, fates []ledger.Fate) (map[hive.TxID]Charged, error)
	// Changed is called when other charges count than before, or others are proven to be for
	// nothing.
	Changed func(ctx context.Context)
	// Alarm reports what should never happen.
	Alarm  func(what string, attrs ...any)
	Logger *slog.Logger
}

// Watch looks after the charges of failed transactions. The agent has one.
type Watch struct {
	o Options

	mu   sync.Mutex
	next map[hive.TxID]appointment
}

// appointment is when a transaction is looked up next.
type appointment struct {
	at    time.Time
	pause time.Duration
}

// New makes a watch. It does nothing before [Watch.Run].
func New(o Options) *Watch { return &Watch{o: o, next: map[hive.TxID]appointment{}} }

// Charge is a failed transaction that was charged for, as people see it.
type Charge struct {
	Number  uint64    `json:"number"` // of the request
	Account string    `json:"account"`
	App     string    `json:"app,omitempty"`
	TxID    string    `json:"transaction"`
	State   string    `json:"state"` // failed, not on the chain, given back, on the chain
	Since   time.Time `json:"since"`
	Record  uint64    `json:"record"` // that says so
	Until   time.Time `json:"counts_until"`
	// Charges are what was charged; empty if they count no more.
	Charges []policy.Charge `json:"charges,omitempty"`
	Hosts   []string        `json:"hosts,omitempty"` // that do not know it, by their word of just now
}

// Promises returns the members that no answer of the agent lacks.
func (Charge) Promises() []string { return []string{"number", "transaction", "state"} }

var stateNames = map[ledger.FateState]string{
	ledger.Failed: "failed", ledger.Absent: "not on the chain", ledger.Released: "given back",
	ledger.OnChain: "on the chain",
}

func chargeOf(f ledger.Fate) Charge {
	return Charge{Number: f.Number, Account: f.Account, App: f.App, TxID: hive.TxID(f.TxID).String(),
		State: stateNames[f.State], Since: f.At, Record: f.Record, Until: f.Until}
}

// List returns the failed transactions whose charges count, or were given back, in the order of
// their requests.
func (w *Watch) List(ctx context.Context) ([]Charge, error) {
	fates := w.o.Ledger.Fates()
	charged, err := w.o.Charged(ctx, fates)
	if err != nil {
		return nil, err
	}
	list := []Charge{} // a list in JSON, too
	for _, f := range fates {
		c := chargeOf(f)
		c.Charges = charged[hive.TxID(f.TxID)].Charges
		list = append(list, c)
	}
	return list, nil
}

// Release returns to the limits what the request with this number was charged, if its transaction
// provably never reached the chain. It returns when that is on disk.
func (w *Watch) Release(ctx context.Context, number uint64) (Charge, error) {
	f, charged, err := w.find(ctx, number)
	if err != nil {
		return Charge{}, err
	}
	id := hive.TxID(f.TxID)
	presence := w.o.Look(ctx, id, hive.TimeOf(f.TxExpires))
	switch {
	case presence.Early:
		return Charge{}, fmt.Errorf("transaction %s can still reach the chain: it expires at %s; try again some "+
			"minutes after that", id, f.TxExpires.UTC().Format("15:04:05Z"))
	case presence.Found != "":
		if f.State != 0 { // of a transaction that nobody called failed it is no news
			w.found(ctx, f, presence)
		}
		return Charge{}, fmt.Errorf("transaction %s is on the chain: %s has it in block %d; its charge counts", id,
			presence.Found, presence.Block)
	case !presence.Never():
		return Charge{}, unproven(id, presence)
	case f.State != ledger.Absent && tooLate(f):
		return Charge{}, fmt.Errorf("transaction %s of request %d expired too long ago, at %s, and it was not proven "+
			"within a day that it never reached the chain: later, nodes that keep a part of the history only do not "+
			"know what was on the chain; its charge counts", id, number, f.TxExpires.UTC().Format(time.RFC3339))
	}
	f.State = ledger.Released
	f, err = w.o.Ledger.SetFate(ctx, f, ledger.Entry{
		Type: ledger.RecordAdmin, Outcome: RecordRelease, Account: f.Account, App: f.App, Ref: number,
		Content: content(f, presence, charged.Charges),
	})
	if err != nil {
		return Charge{}, explain(err)
	}
	w.o.Changed(ctx)
	w.o.Logger.Info("a charge was given back", "number", number, "tx", id.String(), "charges", charged.Charges,
		"hosts", presence.Absent)
	c := chargeOf(f)
	c.Charges, c.Hosts = charged.Charges, presence.Absent
	return c, nil
}

// tooLate reports whether hosts that do not know a transaction prove nothing any more.
func tooLate(f ledger.Fate) bool { return time.Since(f.TxExpires) > knownFor }

// unproven returns why there is no proof that the chain does not have the transaction.
func unproven(id hive.TxID, p node.Presence) error {
	const wanted = "two Hive API nodes on different hosts must say that it never will"
	if len(p.Absent) == 0 {
		return fmt.Errorf("it is not proven that transaction %s is not on the chain: no node says so now; %s (setting "+
			"nodes, `pksa status`)", id, wanted)
	}
	return fmt.Errorf("it is not proven that transaction %s is not on the chain: only %s says so; %s (setting nodes, "+
		"`pksa status`)", id, strings.Join(p.Absent, ", "), wanted)
}

// find returns the transaction of a request and what was charged for it. The error says why nothing
// of the request can be given back.
func (w *Watch) find(ctx context.Context, number uint64) (ledger.Fate, Charged, error) {
	if err := w.o.Ledger.Flush(ctx); err != nil {
		return ledger.Fate{}, Charged{}, err
	}
	r, err := w.record(number)
	if err != nil {
		return ledger.Fate{}, Charged{}, err
	}
	f := ledger.Fate{TxID: r.TxID, Number: number, Account: r.Account, App: r.App}
	for _, known := range w.o.Ledger.Fates() {
		if known.TxID == r.TxID {
			f = known
		}
	}
	if err := settled(f); err != nil {
		return f, Charged{}, err
	}
	unfinished, err := w.o.Ledger.Unfinished()
	if err != nil {
		return f, Charged{}, err
	}
	for _, u := range unfinished {
		if u.Number == number {
			return f, Charged{}, fmt.Errorf("the outcome of request %d is not known yet: it is still looked for",
				number)
		}
	}
	id := hive.TxID(r.TxID)
	found, err := w.o.Charged(ctx, []ledger.Fate{f})
	charged, ok := found[id]
	switch {
	case err != nil || ok:
	case time.Since(r.Time) >= SummedAfter:
		err = fmt.Errorf("request %d is of %s, and nothing that it was charged is given back any more: after a day "+
			"charges are added up with those of other requests, since nodes cannot prove any more what was not on "+
			"the chain; its charge counts until it leaves the windows of its limits", number,
			r.Time.UTC().Format(time.RFC3339))
	default:
		err = fmt.Errorf("nothing that counts was charged for request %d: no limit counted it, it counts no more, or "+
			"an older pksa charged it, which did not keep for what", number)
	}
	f.TxExpires, f.Until = charged.TxExpires, charged.Until
	return f, charged, err
}

// settled returns an error for a fate after which nothing is given back.
func settled(f ledger.Fate) error {
	switch f.State {
	case ledger.Released:
		return fmt.Errorf("the charge of request %d was given back already, in record %d", f.Number, f.Record)
	case ledger.OnChain:
		return fmt.Errorf("the transaction of request %d is on the chain, as record %d says; its charge counts",
			f.Number, f.Record)
	}
	return nil
}

// explain returns the error of a fate in the words of [settled]: another release was faster.
func explain(err error) error {
	var fate *ledger.FateError
	if errors.As(err, &fate) {
		if err := settled(fate.Is); err != nil {
			return err
		}
	}
	return err
}

// record reads the record of a request that was to be broadcast.
func (w *Watch) record(number uint64) (ledger.Record, error) {
	for r, err := range w.o.Ledger.Audit(number) {
		switch {
		case err != nil:
			return r, fmt.Errorf("reading the audit trail: %w", err)
		case r.Number != number:
			return r, fmt.Errorf("record %d is not kept any more, or was never made; `pksa limit list` shows the "+
				"numbers", number)
		case r.Ref != 0:
			return r, fmt.Errorf("record %d is about request %d: `pksa limit release %d` is for that", number, r.Ref,
				r.Ref)
		case r.Type != ledger.RecordJudged:
			return r, fmt.Errorf("record %d is no request that was judged; `pksa limit list` shows the numbers", number)
		case r.TxID == [20]byte{}:
			return r, fmt.Errorf("request %d was not to be broadcast by this wallet: what was handed to an "+
				"application can still be sent, so its charge is never given back", number)
		}
		return r, nil
	}
	return ledger.Record{}, fmt.Errorf("there is no record %d; `pksa limit list` shows the numbers", number)
}

// content returns what a record says of a transaction.
func content(f ledger.Fate, p node.Presence, charges []policy.Charge) []byte {
	text, _ := json.Marshal(struct {
		Act         string          `json:"act,omitempty"`
		Transaction string          `json:"transaction"`
		Host        string          `json:"node,omitempty"`
		Block       uint32          `json:"block,omitempty"`
		Hosts       []string        `json:"unknown_to,omitempty"`
		Charges     []policy.Charge `json:"cost,omitempty"`
	}{act(f.State), hive.TxID(f.TxID).String(), p.Found, p.Block, p.Absent, charges})
	return text
}

func act(s ledger.FateState) string {
	if s == ledger.Released {
		return RecordRelease
	}
	return ""
}
