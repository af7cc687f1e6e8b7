package provision

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pksa/agent/ledger"
	"pksa/protocol/plain"
	"pksa/protocol/secret"
)

// Applied is what is done to a wallet, or would be.
type Applied struct {
	Changes []Change `json:"changes"` // in their order; none if the wallet is as the file says
	// Left is what stays although the file does not name it, and what --prune would do about it.
	Left []Change `json:"left"`
	// Complaints are about the file and the wallet: then nothing is done.
	Complaints []Complaint `json:"complaints,omitempty"`
}

// Act is what is done to an app or a session.
type Act string

// The acts.
const (
	RemoveApp  Act = "remove app"
	EndSession Act = "end session"
	RotateApp  Act = "rotate app" // it gets another secret
	SetAnswers Act = "set answers"
	AddApp     Act = "add app"
	AddSession Act = "add session"
)

// Change is one act.
type Change struct {
	Act      Act              `json:"act"`
	App      string           `json:"app"`
	Answers  string           `json:"answers,omitempty"`  // the form, if it is set
	Sessions int              `json:"sessions,omitempty"` // how many end with the app
	Account  string           `json:"account,omitempty"`  // of a session
	Session  ledger.SessionID `json:"session,omitempty"`  // the number of one that ends
	Until    time.Time        `json:"until,omitzero"`     // when a new session ends
}

// Part is a list of a [Wanted].
type Part string

// The parts.
const (
	Accounts Part = "accounts"
	Apps     Part = "apps"
	Sessions Part = "sessions"
)

// Complaint is why an entry cannot be had. It names the place in what was wanted: the entry, and
// which of its values; of an account the number of the role.
type Complaint struct {
	Part  Part   `json:"part"`
	Entry int    `json:"entry"`
	Value Value  `json:"value"`
	Role  int    `json:"role,omitempty"`
	Text  string `json:"text"`
}

// Promises returns the members that no answer lacks, as the control socket demands.
func (Applied) Promises() []string { return []string{"changes"} }

// Value is which value of an entry a complaint is about.
type Value string

// The values.
const (
	ValueName    Value = "name"
	ValueKey     Value = "key" // the secret of an app, the auth_key of a session
	ValueApp     Value = "app"
	ValueAccount Value = "account"
	ValueFor     Value = "for"
)

// Place returns where in the file the complaint belongs.
func (w *Wanted) Place(c Complaint) Place {
	switch c.Part {
	case Accounts:
		if c.Entry < len(w.Accounts) && c.Role < len(w.Accounts[c.Entry].At) {
			return w.Accounts[c.Entry].At[c.Role]
		}
	case Apps:
		if c.Entry < len(w.Apps) {
			if c.Value == ValueKey {
				return w.Apps[c.Entry].AtKey
			}
			return w.Apps[c.Entry].At
		}
	case Sessions:
		if c.Entry < len(w.Sessions) {
			s := &w.Sessions[c.Entry]
			return map[Value]Place{ValueApp: s.AtApp, ValueAccount: s.AtAccount, ValueKey: s.AtKey,
				ValueFor: s.AtFor}[c.Value]
		}
	}
	return Place{1, 1} // of an agent that is newer than this program
}

// Home is what is held besides the ledger, and what a caller demands of secrets.
type Home struct {
	// Holds returns nil if a key of the account in this role is held, else what to do.
	Holds func(account, role string) error
	// Usable returns nil if a session of the account can be made, else what to do.
	Usable func(account string) error
	// Secret and Key return what is wrong with the secret of an app, and with an auth_key.
	Secret, Key func(secret.Text) error
	// Length returns what is wrong with the length of a session, and Usual is that of one for which
	// none is named.
	Length func(time.Duration) error
	Usual  time.Duration
}

// Plan returns what has to be changed so that the wallet holds what is wanted, and what to say
// about it. With complaints the arrangement is empty. Only prune removes what is not named, and
// replaces secrets. openings is the place in Wanted.Sessions of each session that is opened.
func Plan(w Wanted, prune bool, s ledger.Standing, h Home) (a ledger.Arrangement, openings []int, done Applied) {
	p := planner{Wanted: w, Home: h, standing: s, prune: prune, apps: map[string]ledger.Slot{},
		known: map[string]bool{}, named: map[string]bool{}, kept: map[ledger.SessionID]bool{}}
	for _, slot := range s.Slots {
		p.apps[slot.Name], p.known[slot.Name] = slot, true
	}
	p.accounts()
	p.removeApps()
	p.settleApps()
	p.settleSessions()
	p.endSessions()
	p.order()
	if p.Complaints != nil {
		return ledger.Arrangement{}, nil, Applied{Changes: []Change{}, Left: []Change{}, Complaints: p.Complaints}
	}
	return p.a, p.openings, p.Applied
}

type planner struct {
	Wanted
	Home
	Applied
	standing ledger.Standing
	prune    bool
	a        ledger.Arrangement
	openings []int

	apps  map[string]ledger.Slot    // that the ledger has
	known map[string]bool           // apps that there are afterwards
	named map[string]bool           // apps that the file names
	kept  map[ledger.SessionID]bool // sessions that the file names
	added []Change                  // come last
}

func (p *planner) complain(c Complaint, format string, args ...any) {
	c.Text = fmt.Sprintf(format, args...)
	p.Complaints = append(p.Complaints, c)
}

// may records a change that needs --prune, and reports whether it is made.
func (p *planner) may(c Change) bool {
	if p.prune {
		p.Changes = append(p.Changes, c)
	} else {
		p.Left = append(p.Left, c)
	}
	return p.prune
}

func (p *planner) accounts() {
	for i, a := range p.Accounts {
		for n, role := range a.Roles {
			if err := p.Holds(a.Name, role); err != nil {
				p.complain(Complaint{Part: Accounts, Entry: i, Value: ValueName, Role: n}, "%v", err)
			}
		}
	}
}

func (p *planner) removeApps() {
	for _, a := range p.Apps {
		p.named[a.Name] = true
	}
	if len(p.Apps) == 0 {
		return
	}
	for _, slot := range p.standing.Slots {
		if p.named[slot.Name] {
			continue
		}
		sessions := 0
		for _, s := range p.standing.Sessions {
			if s.App == slot.Name {
				sessions++
			}
		}
		if p.may(Change{Act: RemoveApp, App: slot.Name, Sessions: sessions}) {
			p.a.Remove = append(p.a.Remove, slot.Name)
			delete(p.known, slot.Name)
		}
	}
}

func (p *planner) settleApps() {
	for i, a := range p.Apps {
		slot, there := p.apps[a.Name]
		p.known[a.Name] = true // also if there is a complaint: its sessions need none
		at := Complaint{Part: Apps, Entry: i, Value: ValueKey}
		if a.Secret != "" {
			if err := p.Secret(a.Secret); err != nil {
				p.complain(at, "%v", err)
				continue
			}
		}
		switch other := p.sharer(a); {
		case other != "":
			p.complain(at, "app %q has this secret, too, and a secret names one app; give %q a secret of its own",
				other,
				a.Name)
		case !there && a.Secret == "":
			p.complain(at, "there is no app %q; name the source of its secret, or make it with `pksa app add %s`",
				a.Name,
				a.Name)
		case !there:
			p.a.Add = append(p.a.Add, ledger.Slot{Name: a.Name, Secret: a.Secret, Documented: a.Answers == forms[1]})
			p.added = append(p.added, Change{Act: AddApp, App: a.Name, Answers: a.Answers})
		case a.Secret != "" && a.Secret != slot.Secret && !p.prune:
			// Never left without a word: the application that has the secret of the file would be
			// shut out, and nobody would know why.
			p.complain(at, "there is an app %q already, and its secret is another one; --prune replaces it with this "+
				"one", a.Name)
		case a.Secret != "" && a.Secret != slot.Secret:
			p.may(Change{Act: RotateApp, App: a.Name})
			p.a.Rotate = append(p.a.Rotate, ledger.Slot{Name: a.Name, Secret: a.Secret})
		}
		if there && a.Answers != "" && slot.Documented != (a.Answers == forms[1]) {
			p.a.Answers = append(p.a.Answers, ledger.Slot{Name: a.Name, Documented: !slot.Documented})
			p.added = append(p.added, Change{Act: SetAnswers, App: a.Name, Answers: a.Answers})
		}
	}
}

// sharer returns the app before this one that has its secret and stays, or "". Programs that did
// not compare secrets left such apps, of which only the first is heard.
func (p *planner) sharer(a App) string {
	if a.Secret == "" {
		return ""
	}
	for _, other := range p.Apps {
		if other.Name == a.Name {
			break
		}
		if other.Secret == a.Secret {
			return other.Name
		}
	}
	for _, slot := range p.standing.Slots {
		if slot.Name < a.Name && slot.Secret == a.Secret && p.known[slot.Name] && !p.named[slot.Name] {
			return slot.Name
		}
	}
	return ""
}

func (p *planner) settleSessions() {
	for i, s := range p.Sessions {
		at := Complaint{Part: Sessions, Entry: i}
		if !p.known[s.App] {
			at.Value = ValueApp
			p.complain(at, "there is no app %q; name it under apps, or make it with `pksa app add %s`", s.App, s.App)
			continue
		}
		if slices.ContainsFunc(p.Sessions[:i], func(other Session) bool { return other.Key == s.Key }) {
			at.Value = ValueKey
			p.complain(at, "this auth_key is that of a session above; an application makes one for each session")
			continue
		}
		if live := p.live(s); live != nil {
			p.kept[live.ID] = true // its end stays: a session is never extended
			continue
		}
		if err := p.Usable(s.Account); err != nil {
			at.Value = ValueAccount
			p.complain(at, "%v", err)
			continue
		}
		if err := p.Key(s.Key); err != nil {
			at.Value = ValueKey
			p.complain(at, "%v", err)
			continue
		}
		length := s.Length
		if err := p.Length(length); err != nil {
			at.Value = ValueFor
			p.complain(at, "%v", err)
			continue
		}
		if length == 0 {
			length = p.Usual
		}
		until := p.standing.Now.Add(length)
		p.a.Open = append(p.a.Open, ledger.NewSession{Account: s.Account, App: s.App, AuthKey: s.Key,
			Origin: ledger.Hand, Expires: until})
		p.openings = append(p.openings, i)
		p.added = append(p.added, Change{Act: AddSession, App: s.App, Account: s.Account, Until: until})
	}
}

// live returns the live session that is the wanted one. One whose app is removed is none.
func (p *planner) live(w Session) *ledger.Session {
	for _, s := range p.standing.Sessions {
		if s.AuthKey == w.Key && s.App == w.App && s.Account == w.Account {
			return s
		}
	}
	return nil
}

// endSessions ends what a person made by hand and the file does not name. Sessions that
// applications made, and those that were paired, no file could name.
func (p *planner) endSessions() {
	if len(p.Sessions) == 0 {
		return
	}
	for _, s := range p.standing.Sessions {
		ends := len(p.Apps) > 0 && !p.named[s.App] // with its app
		if s.Origin != ledger.Hand || p.kept[s.ID] || ends {
			continue
		}
		if p.may(Change{Act: EndSession, App: s.App, Account: s.Account, Session: s.ID}) {
			p.a.End = append(p.a.End, s.ID)
		}
	}
}

// order puts what is added behind what is taken away, as it is done.
func (p *planner) order() {
	p.Changes = append(p.Changes, p.added...)
	for _, list := range []*[]Change{&p.Changes, &p.Left} {
		if *list == nil {
			*list = []Change{} // a list in JSON, too
		}
	}
}

// Refused returns the complaint that an error of [ledger.Ledger.Arrange] stands for. explain makes
// a sentence of the reason. ok is false if it is no error about a part of the arrangement.
func Refused(w Wanted, openings []int, err error, explain func(app string, err error) error) (c Complaint, ok bool) {
	var at *ledger.ArrangeError
	if !errors.As(err, &at) {
		return c, false
	}
	if at.Slot == "" {
		i := openings[at.Open]
		return Complaint{Part: Sessions, Entry: i, Value: ValueKey,
			Text: plain.Line(explain(w.Sessions[i].App, at.Err).Error(), mostText)}, true
	}
	for i, a := range w.Apps {
		if a.Name == at.Slot {
			return Complaint{Part: Apps, Entry: i, Value: ValueKey,
				Text: plain.Line(explain(a.Name, at.Err).Error(), mostText)}, true
		}
	}
	return c, false
}

// mostText is how many bytes of a reason are shown.
const mostText = 400
