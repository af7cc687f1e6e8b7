package approve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pksa/agent/passkey"
)

// About is what a page says of the wallet.
type About struct {
	Wallet    string `json:"wallet"`
	Origin    string `json:"origin"`
	RPID      string `json:"rp_id"`
	Approvers int    `json:"approvers"` // whose passkeys can be used at this address
	Version   string `json:"version"`
}

// SignAsk is what a page asks a browser with for a signature.
type SignAsk struct {
	Challenge Bytes   `json:"challenge"`
	RPID      string  `json:"rp_id"`
	Allow     []Bytes `json:"allow"` // the IDs of passkeys
}

// Assertion is what the browser answered.
type Assertion struct {
	Challenge         Bytes `json:"challenge"`
	Credential        Bytes `json:"credential"`
	ClientData        Bytes `json:"client_data"`
	AuthenticatorData Bytes `json:"authenticator_data"`
	Signature         Bytes `json:"signature"`
}

// kept returns an error if the audit trail does not keep so much.
func (a Assertion) kept() error {
	if size := len(a.ClientData) + len(a.AuthenticatorData); size > mostKept {
		return fmt.Errorf("the answer of the browser has %d bytes, and the trail keeps %d", size, mostKept)
	}
	return nil
}

func (a Assertion) parts() passkey.Assertion {
	return passkey.Assertion{CredentialID: a.Credential, ClientData: a.ClientData,
		AuthenticatorData: a.AuthenticatorData, Signature: a.Signature}
}

// LoggedIn is who logged in.
type LoggedIn struct {
	Name string `json:"name"`
	// Enrolment is the number of the record by which they were invited: who is removed and enrolled
	// again under the same name is somebody else.
	Enrolment uint64 `json:"enrolment"`
}

// Ask is a request to which somebody wants to say yes.
type Ask struct {
	Number uint64 `json:"number"`
	Yes    bool   `json:"yes"`
	Seen   Bytes  `json:"seen"` // the digest that the page shows
}

// Decision is a yes, with its signature.
type Decision struct {
	Number uint64 `json:"number"`
	Yes    bool   `json:"yes"`
	Assertion
}

// Pause names an app that is paused; the wallet, if it is empty.
type Pause struct {
	App string `json:"app,omitempty"`
}

// Resumption is a yes to the end of a pause, with its signature.
type Resumption struct {
	Pause
	Assertion
}

// Answered is what becomes of a yes at first: it was handed to the request. The policy judges it
// again, and the trail says what came of it.
type Answered struct {
	Answered bool `json:"answered"`
	// Lacks says whose yes it takes besides, in words; empty: nobody's.
	Lacks string `json:"lacks,omitempty"`
}

// mostKept is how many bytes of client data and authenticator data the audit trail keeps of a yes.
// Browsers send some 300.
const mostKept = 2 << 10

// About returns what a page says of the wallet.
func (d *Desk) About(ctx context.Context, _ struct{}) (About, error) {
	site := d.o.Site()
	all, err := d.here(ctx, site)
	return About{Wallet: d.o.Wallet, Origin: site.Origin, RPID: site.RPID, Approvers: len(all),
		Version: d.o.Version}, err
}

// ask returns a new challenge for a signature.
func (d *Desk) ask(ctx context.Context, q Question, until time.Time, may func(string) bool) (SignAsk, error) {
	site, err := d.site()
	if err != nil {
		return SignAsk{}, err
	}
	all, err := d.here(ctx, site)
	if may != nil {
		all = slices.DeleteFunc(all, func(a Approver) bool { return !may(a.Name) })
	}
	switch {
	case err != nil:
		return SignAsk{}, err
	case len(all) == 0:
		return SignAsk{}, errors.New("nobody is enrolled who could say yes at this address")
	}
	q.Wallet = d.o.Wallet
	challenge, err := d.open.ask(q, time.Now(), until)
	if err != nil {
		return SignAsk{}, err
	}
	return SignAsk{Challenge: challenge[:], RPID: site.RPID, Allow: idsOf(all)}, nil
}

// LoginBegin begins a login.
func (d *Desk) LoginBegin(ctx context.Context, _ struct{}) (SignAsk, error) {
	return d.ask(ctx, Question{Purpose: Login}, time.Now().Add(patience), nil)
}

// LoginFinish checks who logs in.
func (d *Desk) LoginFinish(ctx context.Context, p Assertion) (LoggedIn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.open.take(p.Challenge, Login, time.Now())
	if !ok {
		return LoggedIn{}, d.refused(ctx, Login, 0, "", errUsed)
	}
	by, _, err := d.verify(ctx, q, p)
	if err != nil {
		return LoggedIn{}, d.refused(ctx, Login, 0, by.Name, err)
	}
	return LoggedIn{by.Name, by.Code}, nil
}

// Standing is whether who logged in is an approver still.
type Standing struct {
	Approver bool `json:"approver"`
}

// LoginCheck looks whether who logged in may approve here still.
func (d *Desk) LoginCheck(ctx context.Context, p LoggedIn) (Standing, error) {
	all, err := d.here(ctx, d.o.Site())
	return Standing{slices.ContainsFunc(all, func(a Approver) bool { return LoggedIn{a.Name, a.Code} == p })}, err
}

// DecisionBegin begins a yes to a request that waits. The page says which digest it shows, so that
// a page that is behind is told so before anybody touches anything.
func (d *Desk) DecisionBegin(ctx context.Context, p Ask) (SignAsk, error) {
	if !p.Yes {
		return SignAsk{}, errors.New("a no needs no passkey: decision.deny")
	}
	w, err := d.o.Find(p.Number)
	if err != nil {
		return SignAsk{}, err
	}
	if string(p.Seen) != string(w.Digest[:]) {
		return SignAsk{}, errors.New("the page shows another request than the one that waits: load it again")
	}
	return d.ask(ctx, Question{Purpose: Decide, Number: p.Number, Digest: w.Digest, Yes: true}, w.Until, w.May)
}

// DecisionFinish checks a yes and hands it to the request.
func (d *Desk) DecisionFinish(ctx context.Context, p Decision) (Answered, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.open.take(p.Challenge, Decide, time.Now())
	if !ok {
		return Answered{}, d.refused(ctx, Decide, p.Number, "", errUsed)
	}
	if q.Number != p.Number || !p.Yes {
		return Answered{}, d.refused(ctx, Decide, p.Number, "", errors.New("the signature is for another answer"))
	}
	w, err := d.o.Find(q.Number)
	if err != nil {
		return Answered{}, d.refused(ctx, Decide, p.Number, "", err)
	}
	if w.Digest != q.Digest {
		return Answered{}, d.refused(ctx, Decide, p.Number, "", errors.New("another request waits under this number"))
	}
	if err := p.kept(); err != nil {
		return Answered{}, d.refused(ctx, Decide, p.Number, "", err)
	}
	by, site, err := d.verify(ctx, q, p.Assertion)
	if err != nil {
		return Answered{}, d.refused(ctx, Decide, p.Number, by.Name, err)
	}
	lacks, err := d.o.Answer(q.Number, newProof(by, site, q, p.parts()))
	if err != nil {
		return Answered{}, d.refused(ctx, Decide, p.Number, by.Name, err)
	}
	return Answered{true, lacks}, nil
}

// ResumeBegin begins a yes to the end of a pause.
func (d *Desk) ResumeBegin(ctx context.Context, p Pause) (SignAsk, error) {
	if err := d.o.Paused(p.App); err != nil {
		return SignAsk{}, err
	}
	return d.ask(ctx, Question{Purpose: Resume, Name: p.App, Yes: true}, time.Now().Add(patience), nil)
}

// ResumeFinish checks a yes and ends the pause.
func (d *Desk) ResumeFinish(ctx context.Context, p Resumption) (Answered, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q, ok := d.open.take(p.Challenge, Resume, time.Now())
	if !ok {
		return Answered{}, d.refused(ctx, Resume, 0, "", errUsed)
	}
	if q.Name != p.App {
		return Answered{}, d.refused(ctx, Resume, 0, "", errors.New("the signature is for another pause"))
	}
	if err := p.kept(); err != nil {
		return Answered{}, d.refused(ctx, Resume, 0, "", err)
	}
	by, site, err := d.verify(ctx, q, p.Assertion)
	if err == nil {
		err = d.o.Resume(ctx, q.Name, newProof(by, site, q, p.parts()))
	}
	if err != nil {
		return Answered{}, d.refused(ctx, Resume, 0, by.Name, err)
	}
	return Answered{Answered: true}, nil
}
