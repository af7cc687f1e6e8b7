package policy

import (
	"slices"

	"pksa/protocol/hive"
)

// Kind is what a request asks for.
type Kind uint8

// The kinds. The zero value is none, and is denied.
const (
	Auth Kind = iota + 1
	Sign
	Challenge
	Decrypt
)

var kindNames = [...]string{Auth: "auth", Sign: "sign", Challenge: "challenge", Decrypt: "decrypt"}

// String returns the word of the policy language, "unknown" for no kind.
func (k Kind) String() string {
	if k < Auth || k > Decrypt {
		return "unknown"
	}
	return kindNames[k]
}

// Request is what is judged: who asks for what, with which key. Its operations are those decoded
// from the very bytes that would be signed.
type Request struct {
	Kind    Kind
	Account hive.AccountName // whose key would answer
	App     string           // the app as the operator named it when he added it, never a name that it gave itself
	Role    hive.Role        // key_type; not for Auth. Active if the operations need posting and active

	Broadcast bool             // Sign: we broadcast; else the app gets the signed transaction
	Exact     bool             // Sign: the app made the whole transaction, its expiration too; else we do
	Ops       []hive.Operation // Sign
	Text      string           // Challenge: the text to sign

	AuthChallenge *AuthChallenge // Auth: the challenge inside, if any
	// ManualSession says that the operator made this session by hand or paired it: no rule need
	// allow it, and none asks. Deny rules hold, and the challenge inside needs a rule of its own.
	ManualSession bool

	// Approved says that a person answered yes to this very request. That yes stands for "ask",
	// wherever the policy in force says it; for nothing else.
	Approved bool
}

// AuthChallenge is the challenge inside an auth request. It is judged as the same challenge would
// be on its own: as [Decrypt] if that is what it asks for.
type AuthChallenge struct {
	Role    hive.Role
	Text    string
	Decrypt bool
}

// part is what rules match: an operation, the session, a challenge.
type part struct {
	kind   Kind
	roles  []hive.Role // of the keys that it needs, ascending; none for a session
	text   *document   // of a challenge
	op     hive.Operation
	name   string // of the operation
	actors []hive.AccountName
	fields map[string]value // those that were looked at
	index  int              // of the operation, from 0
}

// textValue returns the text of a challenge as matchers see it.
func (p *part) textValue() value {
	return value{kind: isText, text: p.text.text, opens: p.text}
}

// field returns a field of the part's operation. Each is converted once, however many rules name
// it.
func (p *part) field(name string) value {
	if v, ok := p.fields[name]; ok {
		return v
	}
	var v value
	switch name {
	case payeeField:
		v = accountsValue(p.op.Payees())
	case priceField:
		v = priceOf(p.op)
	default:
		v = p.chainField(name)
	}
	if p.fields == nil {
		p.fields = map[string]value{}
	}
	p.fields[name] = v
	return v
}

func (p *part) chainField(name string) value {
	x, ok := p.op.Field(name)
	if !ok {
		return value{}
	}
	f, _ := p.op.Definition().Field(name)
	if text, isString := x.(string); isString && (f.JSON || f.Memo) {
		v := jsonTextValue(text)
		v.opens.mayBeEmpty = f.MayBeEmpty
		return v
	}
	return valueOf(x)
}

// parts splits a request that has passed the checks of check.go.
func (q *Request) parts() []*part {
	self := []hive.AccountName{q.Account}
	switch q.Kind {
	case Sign:
		var parts []*part
		for i, op := range q.Ops {
			parts = append(parts, &part{kind: Sign, roles: levels(op), op: op, name: op.Name(),
				actors: actorsOf(op), index: i})
		}
		return parts
	case Auth:
		parts := []*part{{kind: Auth, actors: self}}
		// The session and the challenge are two parts: who may log in may not for that reason have
		// a text signed.
		if c := q.AuthChallenge; c != nil {
			parts = append(parts, challengePart(c.kind(), c.Role, c.Text, self))
		}
		return parts
	}
	return []*part{challengePart(q.Kind, q.Role, q.Text, self)}
}

func challengePart(k Kind, role hive.Role, text string, self []hive.AccountName) *part {
	return &part{kind: k, roles: []hive.Role{role}, text: &document{text: text}, actors: self}
}

func (c *AuthChallenge) kind() Kind {
	// To decrypt is another right than to sign, wherever it is asked for.
	if c.Decrypt {
		return Decrypt
	}
	return Challenge
}

// actorsOf returns the accounts whose authority an operation needs.
func actorsOf(op hive.Operation) []hive.AccountName {
	need := op.Required()
	actors := slices.Concat(need.Active, need.Posting)
	if _, ok := op.WitnessKey(); ok {
		owner, _ := op.Field("owner")
		actors = append(actors, owner.(hive.AccountName)) // it acts for its witness
	}
	slices.Sort(actors)
	return slices.Compact(actors)
}

// String names the part in a sentence.
func (p *part) String() string {
	switch p.kind {
	case Sign:
		return "operation " + countValue(p.index+1).text + " " + p.name
	case Auth:
		return "session"
	}
	return p.kind.String()
}
