package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// Names of what stands in the trail.
const (
	RecordChanged  = "account changed"        // an event: nothing of this wallet explains it
	RecordAccepted = "account guard accepted" // the operator's act
)

const (
	// atOnce is how many accounts are looked at in one step.
	atOnce = 100
	// maxHosts is how many hosts are asked about what changed by the word of the first.
	maxHosts = 3
	// detailsAtOnce is how many accounts with routes or withdrawals are asked about in one look,
	// beside those where their number changed. The others have their turn in the next.
	detailsAtOnce = 100
	// Again is how soon a look is repeated when one host alone said something new.
	Again = 5 * time.Minute
)

// Store keeps the notes of accounts. It is a [ledger.Ledger].
type Store interface {
	AccountNotes(ctx context.Context, accounts []string) (map[string][]byte, error)
	NoteAccounts(ctx context.Context, notes map[string][]byte, records ...ledger.Entry) error
	KeepAccountNotes(ctx context.Context, keep func(account string) bool) error
}

// Options are what [New] needs. All members are needed.
type Options struct {
	Ledger Store
	// Accounts returns the accounts that are guarded, sorted.
	Accounts func() []hive.AccountName
	// Hosts returns how many hosts of the chain can be asked.
	Hosts func() int
	// Situations asks hosts about accounts, as [node.Client.Situations] does.
	Situations func(ctx context.Context, most int, names []hive.AccountName,
		details func(node.Account) bool) []node.Report
	// Signed returns the operations named that this wallet has signed since an instant.
	Signed func(ctx context.Context, since time.Time, names []string) ([]hive.Operation, error)
	// Notify tells a person, after the change is on disk.
	Notify func(account hive.AccountName, c Change, stopped bool)
	Prefix string // of public keys
	Stop   bool   // a change stops its account
	Logger *slog.Logger
}

// Watch watches accounts. The agent has one. Its methods may be called concurrently.
type Watch struct {
	o     Options
	looks sync.Mutex // held by a look, and by what a person changes: each reads notes and writes them

	mu     sync.Mutex // guards all that follows
	open   map[hive.AccountName]Standing
	repeat bool               // something new waits to be said once more, or by a second host
	turn   hive.AccountName   // the last account that was asked about in detail
	told   map[string]uint64  // changes by kind, since the start
	doubts doubts             // what waits for a second host; written by looks alone
	looked time.Time          // when all accounts were last compared, as it stands in the ledger
	kept   []hive.AccountName // those whose notes were kept when the notes of others were dropped
}

// Standing is an account with changes that nobody has accepted.
type Standing struct {
	Account string   `json:"account"`
	Stopped bool     `json:"stopped"` // nothing of it is signed
	Changes []Change `json:"changes"`
}

// Promises returns the members that no answer of the agent lacks.
func (Standing) Promises() []string { return []string{"account", "stopped", "changes"} }

// New makes a watch that has seen nothing.
func New(o Options) *Watch {
	return &Watch{o: o, open: map[hive.AccountName]Standing{}, told: map[string]uint64{}}
}

// Load reads from the ledger which accounts are stopped. It is called before the first request.
func (w *Watch) Load(ctx context.Context) error {
	for names := range slices.Chunk(w.o.Accounts(), atOnce) {
		notes, err := w.notes(ctx, names)
		if err != nil {
			return err
		}
		for name, n := range notes {
			w.show(name, n)
		}
	}
	notes, err := w.notes(ctx, []hive.AccountName{all})
	if n := notes[all]; n != nil {
		w.looked = n.At
	}
	return err
}

// all is the name under which the ledger has when all accounts were last compared.
const all hive.AccountName = ""

// compared writes that all accounts were compared: what this wallet signed before needs not be
// looked through again.
func (w *Watch) compared(ctx context.Context, at time.Time) error {
	w.mu.Lock()
	fresh := at.Sub(w.looked) < Again/2
	w.mu.Unlock()
	if fresh {
		return nil
	}
	n := &note{At: at, Seen: Seen{}}
	if err := w.o.Ledger.NoteAccounts(ctx, map[string][]byte{string(all): n.encode()}); err != nil {
		return fmt.Errorf("noting that accounts were compared: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looked = at
	return nil
}

// Stopped returns one of the accounts if nothing of it may be signed, or "". It asks for them only
// while some account is stopped, or has changed.
func (w *Watch) Stopped(accounts func() []hive.AccountName) hive.AccountName {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.open) == 0 {
		return ""
	}
	for _, name := range accounts() {
		if w.open[name].Stopped {
			return name
		}
	}
	return ""
}

// Standings returns the accounts with changes that nobody has accepted, sorted.
func (w *Watch) Standings() []Standing {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []Standing{}
	for _, s := range w.open {
		s.Changes = slices.Clone(s.Changes)
		list = append(list, s)
	}
	sorts.By(list, func(a, b Standing) int { return strings.Compare(a.Account, b.Account) })
	return list
}

// Counts returns how many changes of each kind were seen since the start.
func (w *Watch) Counts() map[string]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := map[string]uint64{}
	for _, kind := range Kinds() {
		counts[string(kind)] = w.told[string(kind)]
	}
	return counts
}

// Repeat reports whether the last look should be repeated soon, see [Again].
func (w *Watch) Repeat() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.repeat
}

func (w *Watch) show(name hive.AccountName, n *note) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(n.Changes) == 0 && !n.Stopped {
		delete(w.open, name)
		return
	}
	w.open[name] = Standing{Account: string(name), Stopped: n.Stopped, Changes: slices.Clone(n.Changes)}
}

// notes reads the notes of accounts. One that reads wrong is as none: the account is seen anew.
func (w *Watch) notes(ctx context.Context, names []hive.AccountName) (map[hive.AccountName]*note, error) {
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = string(name)
	}
	stored, err := w.o.Ledger.AccountNotes(ctx, texts)
	if err != nil {
		return nil, fmt.Errorf("reading what was seen of accounts: %w", err)
	}
	notes := map[hive.AccountName]*note{}
	for name, text := range stored {
		n, err := readNote(text)
		if err != nil {
			w.o.Logger.Warn("what was seen of an account is not understood and is seen anew", "account", name)
			continue
		}
		notes[hive.AccountName(name)] = n
	}
	return notes, nil
}

// Accept takes what changed of an account for right, lifts its stop, and returns what that was. It
// returns when it is on disk.
func (w *Watch) Accept(ctx context.Context, account hive.AccountName) (Standing, error) {
	w.looks.Lock()
	defer w.looks.Unlock()
	notes, err := w.notes(ctx, []hive.AccountName{account})
	if err != nil {
		return Standing{}, err
	}
	w.mu.Lock()
	was, open := w.open[account]
	w.mu.Unlock()
	if !open {
		return Standing{}, fmt.Errorf("nothing of account %s waits to be accepted; `pksa guard list` shows what does",
			account)
	}
	n := notes[account]
	if n == nil { // damaged: the account is seen anew
		n = &note{At: time.Now(), Seen: Seen{}}
	}
	n.Changes, n.Stopped = nil, false
	content, _ := json.Marshal(map[string]any{"changes": was.Changes, "stopped": was.Stopped})
	if err := w.o.Ledger.NoteAccounts(ctx, map[string][]byte{string(account): n.encode()}, ledger.Entry{
		Type: ledger.RecordAdmin, Outcome: RecordAccepted, Account: string(account), Content: content}); err != nil {
		return Standing{}, err
	}
	w.show(account, n)
	return was, nil
}

// Look compares the accounts with what they were. It asks one host, and about what changed by its
// word several.
func (w *Watch) Look(ctx context.Context) error {
	w.looks.Lock()
	defer w.looks.Unlock()
	l := look{w: w, at: time.Now(), sole: w.o.Hosts() < 2, rest: detailsAtOnce, doubts: doubts{}}
	w.mu.Lock()
	l.turn, l.since = w.turn, w.looked
	w.mu.Unlock()
	accounts := w.o.Accounts()
	if err := w.forget(ctx, accounts); err != nil {
		return err
	}
	for names := range slices.Chunk(accounts, atOnce) {
		if err := l.some(ctx, names); err != nil {
			return err
		}
	}
	w.tellDoubts(l.doubts, l.at)
	w.mu.Lock()
	w.repeat = l.repeat
	w.turn = ""
	if l.rest == 0 {
		w.turn = l.last // others wait for their turn
	}
	w.mu.Unlock()
	return w.compared(ctx, l.at)
}

// forget drops what stands of accounts that are held no longer: each held account has one note.
func (w *Watch) forget(ctx context.Context, held []hive.AccountName) error {
	if slices.Equal(held, w.kept) {
		return nil
	}
	keep := func(name hive.AccountName) bool {
		_, found := slices.BinarySearch(held, name)
		return found || name == all
	}
	err := w.o.Ledger.KeepAccountNotes(ctx, func(name string) bool { return keep(hive.AccountName(name)) })
	if err != nil {
		return fmt.Errorf("dropping what was seen of accounts that are not held any more: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.open {
		if !keep(name) {
			delete(w.open, name)
		}
	}
	w.kept = slices.Clone(held)
	return nil
}
