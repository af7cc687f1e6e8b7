package approve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/passkey"
)

// Options is what a desk is made of. All are needed.
type Options struct {
	Wallet  string // the wallet's id
	Version string // of the program
	Ledger  *ledger.Ledger
	// Site returns where people approve; the zero value: nowhere.
	Site func() passkey.Site
	// Find returns a request that waits for a person.
	Find func(number uint64) (Waiting, error)
	// Answer hands a yes to it. It is called once for each proof, and returns whose yes it takes
	// besides; empty if that was all.
	Answer func(number uint64, yes *Proof) (lacks string, err error)
	// Paused returns an error if an app is not paused, or the wallet, if the name is empty.
	Paused func(app string) error
	// Resume ends such a pause, and records the yes. It is called once for each proof.
	Resume func(ctx context.Context, app string, yes *Proof) error
	// Copied tells people that an approver's authenticator may have been copied.
	Copied func(name string)
	Log    *slog.Logger
}

// Waiting is a request that waits for a person.
type Waiting struct {
	Digest [32]byte // of what would be signed
	Until  time.Time
	// May reports whether a yes of this approver counts for it; nil: everybody's does.
	May func(name string) bool
}

// Desk is where people are enrolled and say yes. It may be used concurrently.
type Desk struct {
	o    Options
	open open

	mu    sync.Mutex // held while an approver is read, judged and written
	codes map[[32]byte]*code
	notes recording
}

// New makes a desk.
func New(o Options) *Desk { return &Desk{o: o, codes: map[[32]byte]*code{}} }

// Approver is somebody who may say yes.
type Approver struct {
	Name     string             `json:"name"`
	Passkey  passkey.Credential `json:"passkey"`
	RPID     string             `json:"rp_id"`
	Enrolled time.Time          `json:"enrolled"`
	Code     uint64             `json:"code"` // the record of the one-time code
}

// errNowhere is for a wallet without an address for approvals.
var errNowhere = errors.New("this wallet has no address where people approve: the setting approve.origin gives one")

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return errors.New("the name of an approver is 1 to 32 of a to z, 0 to 9, _ and -, and begins with a letter " +
			"or digit")
	}
	return nil
}

// site returns where people approve.
func (d *Desk) site() (passkey.Site, error) {
	site := d.o.Site()
	if site == (passkey.Site{}) {
		return site, errNowhere
	}
	return site, nil
}

// approvers returns all approvers by name. One that cannot be read counts for nothing.
func (d *Desk) approvers(ctx context.Context) ([]Approver, error) {
	notes, err := d.o.Ledger.Approvers(ctx)
	if err != nil {
		return nil, err
	}
	return d.read(notes), nil
}

// read returns the approvers of these notes by name.
func (d *Desk) read(notes map[string][]byte) []Approver {
	all := make([]Approver, 0, len(notes))
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		var a Approver
		if err := json.Unmarshal(notes[name], &a); err != nil || a.Name != name || len(a.Passkey.ID) == 0 {
			d.o.Log.Error("what is known of an approver cannot be read, so nothing of theirs counts", "name", name)
			continue
		}
		all = append(all, a)
	}
	return all
}

// here returns those whose passkeys are of the present address: browsers use no others.
func (d *Desk) here(ctx context.Context, site passkey.Site) ([]Approver, error) {
	all, err := d.approvers(ctx)
	return of(site, all), err
}

func of(site passkey.Site, all []Approver) []Approver {
	return slices.DeleteFunc(all, func(a Approver) bool { return a.RPID != site.RPID })
}

// Counting returns those of some proofs whose approvers have the same passkey still, for the
// present address, by these notes of the ledger.
func (d *Desk) Counting(notes map[string][]byte, proofs []*Proof) (counting []*Proof) {
	all := of(d.o.Site(), d.read(notes))
	for _, p := range proofs {
		if slices.ContainsFunc(all, func(a Approver) bool {
			return a.Name == p.By && string(a.Passkey.ID) == string(p.Passkey)
		}) {
			counting = append(counting, p)
		}
	}
	return counting
}

// Names returns the names of those who can say yes, by these notes of the ledger.
func (d *Desk) Names(notes map[string][]byte) []string {
	names := []string{}
	if site, err := d.site(); err == nil {
		for _, a := range of(site, d.read(notes)) {
			names = append(names, a.Name)
		}
	}
	return names
}

// idsOf returns the IDs of passkeys, as a page gives them to a browser.
func idsOf(all []Approver) []Bytes {
	ids := []Bytes{} // JSON wants a list, also if it is empty
	for _, a := range all {
		ids = append(ids, a.Passkey.ID)
	}
	return ids
}

// write writes an approver, together with a record.
func (d *Desk) write(ctx context.Context, a Approver, again bool, what string) error {
	note, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return d.o.Ledger.PutApprover(ctx, a.Name, note, again, ledger.Entry{Type: ledger.RecordAdmin, Outcome: what,
		Content: content(map[string]any{"approver": a.Name, "fingerprint": a.Passkey.Fingerprint(),
			"invitation": a.Code})})
}

func content(of map[string]any) []byte {
	text, err := json.Marshal(of)
	if err != nil {
		return nil // unreachable: texts and numbers
	}
	return text
}

// recording bounds how many refusals are recorded: whoever reaches the socket can make any number.
type recording struct {
	since time.Time
	count int
}

// mostRefusals is how many refusals are recorded in an hour.
const mostRefusals = 60

// refused records a refusal, and returns it.
func (d *Desk) refused(ctx context.Context, purpose Purpose, number uint64, by string, err error) error {
	kind := "refused"
	var because *passkey.Error
	if errors.As(err, &because) {
		kind = string(because.Kind)
	}
	if because != nil && because.Kind == passkey.Counted {
		d.o.Log.Error("there may be a copy of an approver's authenticator: remove the approver, and enrol them anew",
			"approver", by)
		d.o.Copied(by)
	}
	d.o.Log.Warn("an approval is refused", "for", purpose, "number", number, "approver", by, "err", err)
	if now := time.Now(); now.Sub(d.notes.since) > time.Hour {
		d.notes = recording{since: now}
	}
	if d.notes.count++; d.notes.count > mostRefusals {
		return err
	}
	_, failed := d.o.Ledger.Append(ctx, ledger.Entry{Type: ledger.RecordEvent, Outcome: "approval refused", Ref: number,
		Content: content(map[string]any{"for": purpose, "approver": by, "kind": kind, "reason": err.Error()})})
	if failed != nil {
		d.o.Log.Error("event not recorded", "event", "approval refused", "err", failed)
	}
	return err
}

// verify checks an answer to a question, and writes what is known of its approver from now on.
func (d *Desk) verify(ctx context.Context, q Question, a Assertion) (by Approver, site passkey.Site, err error) {
	if site, err = d.site(); err != nil {
		return by, site, err
	}
	all, err := d.here(ctx, site)
	if err != nil {
		return by, site, err
	}
	i := slices.IndexFunc(all, func(one Approver) bool { return string(one.Passkey.ID) == string(a.Credential) })
	if i < 0 {
		return by, site, errors.New("this passkey is nobody's who may approve here; the person may have been removed")
	}
	by = all[i]
	challenge := q.Challenge()
	now, err := passkey.Verify(passkey.Expected{Site: site, Challenge: challenge[:]}, by.Passkey, a.parts())
	if err != nil {
		return by, site, err
	}
	by.Passkey = now
	if err := d.write(ctx, by, true, "approver signed to "+string(q.Purpose)); err != nil {
		return by, site, fmt.Errorf("approver %s: %w", by.Name, err)
	}
	return by, site, nil
}
