package approve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/passkey"
	"pksa/protocol/secret"
)

// codeLife is how long a one-time code counts.
const codeLife = 10 * time.Minute

// mostCodes is how many codes may be out at once.
const mostCodes = ledger.MostApprovers

// code is a one-time code that is out, by its hash.
type code struct {
	name   string
	until  time.Time
	record uint64
}

// NameParams names an approver.
type NameParams struct {
	Name string `json:"name"`
}

// Invitation is what somebody needs who is to be enrolled. Whoever has it can enrol a passkey of
// their own, once.
type Invitation struct {
	Name  string      `json:"name"`
	Code  secret.Text `json:"code"`
	Link  secret.Text `json:"link"` // with the code behind #, which browsers send nowhere
	Until time.Time   `json:"until"`
}

// Promises returns the members that no answer lacks.
func (Invitation) Promises() []string { return []string{"name", "code", "link"} }

// ApproverInfo is an approver in a list.
type ApproverInfo struct {
	Name        string    `json:"name"`
	Fingerprint string    `json:"fingerprint"` // of the passkey
	Enrolled    time.Time `json:"enrolled"`
	RPID        string    `json:"rp_id"` // of the address of that time
	Synced      bool      `json:"synced"`
	// Elsewhere says that the address is another one by now, so that the passkey cannot be used.
	Elsewhere bool `json:"elsewhere,omitempty"`
}

// Nobody reports whether none of them can say yes.
func Nobody(all []ApproverInfo) bool {
	return !slices.ContainsFunc(all, func(a ApproverInfo) bool { return !a.Elsewhere })
}

// Promises returns the members that no answer lacks.
func (ApproverInfo) Promises() []string { return []string{"name", "fingerprint"} }

// Add makes a one-time code by which somebody enrols a passkey within [codeLife].
func (d *Desk) Add(ctx context.Context, p NameParams) (Invitation, error) {
	site, err := d.site()
	if err != nil {
		return Invitation{}, err
	}
	if err := checkName(p.Name); err != nil {
		return Invitation{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.approvers(ctx)
	if err != nil {
		return Invitation{}, err
	}
	if slices.ContainsFunc(all, func(a Approver) bool { return a.Name == p.Name }) {
		return Invitation{}, fmt.Errorf("there is an approver %s already: remove them first", p.Name)
	}
	now := time.Now()
	for key, c := range d.codes {
		if !now.Before(c.until) || c.name == p.Name { // a new code takes the place of an older one
			delete(d.codes, key)
		}
	}
	if len(d.codes) >= mostCodes {
		return Invitation{}, fmt.Errorf("%d one-time codes are out already: wait ten minutes", mostCodes)
	}
	number, err := d.o.Ledger.Append(ctx, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "approver invited",
		Content: content(map[string]any{"approver": p.Name})})
	if err != nil {
		return Invitation{}, err
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	text := base64.RawURLEncoding.EncodeToString(random[:])
	c := &code{name: p.Name, until: now.Add(codeLife), record: number}
	d.codes[sha256.Sum256([]byte(text))] = c
	return Invitation{Name: p.Name, Code: secret.Text(text), Link: secret.Text(site.Origin + "/enrol#" + text),
		Until: c.until}, nil
}

// List returns all approvers.
func (d *Desk) List(ctx context.Context, _ struct{}) ([]ApproverInfo, error) {
	all, err := d.approvers(ctx)
	if err != nil {
		return nil, err
	}
	infos := []ApproverInfo{} // JSON wants a list, also if it is empty
	for _, a := range all {
		infos = append(infos, d.info(a))
	}
	return infos, nil
}

func (d *Desk) info(a Approver) ApproverInfo {
	return ApproverInfo{Name: a.Name, Fingerprint: a.Passkey.Fingerprint(), Enrolled: a.Enrolled, RPID: a.RPID,
		Synced: a.Passkey.Synced, Elsewhere: a.RPID != d.o.Site().RPID}
}

// Remove removes an approver, and a code that is out for the name. Nothing that they sign counts
// any more when it returns.
func (d *Desk) Remove(ctx context.Context, p NameParams) (struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	invited := false
	for key, c := range d.codes {
		if c.name == p.Name {
			delete(d.codes, key)
			invited = true
		}
	}
	err := d.o.Ledger.RemoveApprover(ctx, p.Name, ledger.Entry{Type: ledger.RecordAdmin, Outcome: "approver removed",
		Content: content(map[string]any{"approver": p.Name})})
	if errors.Is(err, ledger.ErrNoApprover) && invited {
		err = nil
	}
	return struct{}{}, err
}

// CodeParams is a one-time code.
type CodeParams struct {
	Code secret.Text `json:"code"`
}

// Format writes everything but the code.
func (i Invitation) Format(f fmt.State, verb rune) { secret.Format(f, verb, i) }

// Format writes everything but the code.
func (p CodeParams) Format(f fmt.State, verb rune) { secret.Format(f, verb, p) }

// Format writes everything but the code.
func (e Enrolment) Format(f fmt.State, verb rune) { secret.Format(f, verb, e) }

// EnrolAsk is what a page asks a browser with for a new passkey.
type EnrolAsk struct {
	Challenge  Bytes               `json:"challenge"`
	RPID       string              `json:"rp_id"`
	UserID     Bytes               `json:"user_id"`
	UserName   string              `json:"user_name"`
	Algorithms []passkey.Algorithm `json:"algorithms"`
	Exclude    []Bytes             `json:"exclude"`
}

// Enrolment is what the browser answered.
type Enrolment struct {
	Code        secret.Text `json:"code"`
	Challenge   Bytes       `json:"challenge"`
	ClientData  Bytes       `json:"client_data"`
	Attestation Bytes       `json:"attestation"`
}

// Enrolled is who was enrolled.
type Enrolled struct {
	Name        string `json:"name"`
	Fingerprint string `json:"fingerprint"`
}

// find returns the code that is out, if it still counts.
func (d *Desk) find(text secret.Text) (key [32]byte, c *code, err error) {
	key = sha256.Sum256([]byte(text)) // so that how long it takes tells nothing of the codes
	c, ok := d.codes[key]
	if !ok || !time.Now().Before(c.until) {
		return key, nil, errors.New("this one-time code does not count: it was used, ten minutes are over, or the " +
			"wallet was started anew; ask for another one")
	}
	return key, c, nil
}

// EnrolBegin begins an enrolment by a one-time code. The code stays good until a passkey is
// enrolled with it.
func (d *Desk) EnrolBegin(ctx context.Context, p CodeParams) (EnrolAsk, error) {
	site, err := d.site()
	if err != nil {
		return EnrolAsk{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	_, c, err := d.find(p.Code)
	if err != nil {
		return EnrolAsk{}, err
	}
	all, err := d.here(ctx, site)
	if err != nil {
		return EnrolAsk{}, err
	}
	challenge, err := d.open.ask(Question{Purpose: Enrol, Wallet: d.o.Wallet, Name: c.name}, time.Now(), c.until)
	if err != nil {
		return EnrolAsk{}, err
	}
	// Who is enrolled again takes the place of the older passkey in their authenticator.
	user := sha256.Sum256([]byte("pksa approver\x00" + d.o.Wallet + "\x00" + c.name))
	return EnrolAsk{Challenge: challenge[:], RPID: site.RPID, UserID: user[:], UserName: c.name,
		Algorithms: passkey.Algorithms(), Exclude: idsOf(all)}, nil
}

// EnrolFinish checks the new passkey and enrols its owner.
func (d *Desk) EnrolFinish(ctx context.Context, p Enrolment) (Enrolled, error) {
	site, err := d.site()
	if err != nil {
		return Enrolled{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key, c, err := d.find(p.Code)
	if err != nil {
		return Enrolled{}, d.refused(ctx, Enrol, 0, "", err)
	}
	q, ok := d.open.take(p.Challenge, Enrol, time.Now())
	if !ok || q.Name != c.name {
		return Enrolled{}, d.refused(ctx, Enrol, 0, c.name, errUsed)
	}
	made, err := passkey.Register(passkey.Expected{Site: site, Challenge: p.Challenge},
		passkey.Registration{ClientData: p.ClientData, Attestation: p.Attestation})
	if err != nil {
		return Enrolled{}, d.refused(ctx, Enrol, 0, c.name, err)
	}
	all, err := d.approvers(ctx)
	if err != nil {
		return Enrolled{}, err
	}
	if slices.ContainsFunc(all, func(a Approver) bool { return string(a.Passkey.ID) == string(made.ID) }) {
		return Enrolled{}, d.refused(ctx, Enrol, 0, c.name, errors.New("this passkey is somebody's already"))
	}
	a := Approver{Name: c.name, Passkey: made, RPID: site.RPID, Enrolled: time.Now().UTC().Truncate(time.Second),
		Code: c.record}
	if err := d.write(ctx, a, false, "approver enrolled"); err != nil {
		return Enrolled{}, err
	}
	delete(d.codes, key)
	d.o.Log.Info("an approver is enrolled", "approver", a.Name, "fingerprint", made.Fingerprint())
	return Enrolled{Name: a.Name, Fingerprint: made.Fingerprint()}, nil
}

// errUsed is for a challenge that is not out.
var errUsed = errors.New("this question was answered already, or is too old: load the page again")
