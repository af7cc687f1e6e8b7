package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Change is a change of an account that no transaction of this wallet explains.
type Change struct {
	What Kind   `json:"what"`
	Was  string `json:"was"` // before the first change of the kind that nobody has accepted
	Now  string `json:"now"`
	// At is when it was seen; Hosts are those that say so.
	At    time.Time `json:"at"`
	Hosts []string  `json:"hosts"`
}

// note is what the ledger keeps of an account.
type note struct {
	Version int       `json:"v"`
	At      time.Time `json:"at"` // when it was last written
	Seen    Seen      `json:"seen"`
	// PowerDownEnds is when the last part of a power-down is due.
	PowerDownEnds time.Time `json:"power_down_ends,omitzero"`
	// Once is what the only host said one time: it counts when it says so again.
	Once Seen `json:"once,omitempty"`
	// Changes are those that nobody has accepted, one of a kind.
	Changes []Change `json:"changes,omitempty"`
	Stopped bool     `json:"stopped,omitempty"` // nothing of the account is signed
}

func (n *note) encode() []byte {
	n.Version = 1
	text, err := json.Marshal(n)
	if err != nil { // unreachable: texts, times and booleans
		panic(err)
	}
	return text
}

// errNote is for a note that this program has not written.
var errNote = errors.New("the note of an account reads wrong")

func readNote(text []byte) (*note, error) {
	var n note
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&n); err != nil || n.Version != 1 || d.More() {
		return nil, errNote
	}
	for _, seen := range []Seen{n.Seen, n.Once} {
		for kind, value := range seen {
			if !slices.Contains(Kinds(), kind) || len(value) > maxValue {
				return nil, errNote
			}
		}
	}
	for i, c := range n.Changes {
		twice := slices.ContainsFunc(n.Changes[:i], func(d Change) bool { return d.What == c.What })
		if !slices.Contains(Kinds(), c.What) || len(c.Was) > maxValue || len(c.Now) > maxValue || twice ||
			len(c.Hosts) > maxHosts {
			return nil, errNote
		}
	}
	if n.Seen == nil {
		n.Seen = Seen{}
	}
	return &n, nil
}

// changed notes a change that nothing explains.
func (n *note) changed(c Change) {
	i := slices.IndexFunc(n.Changes, func(d Change) bool { return d.What == c.What })
	if i < 0 {
		n.Changes = append(n.Changes, c)
		return
	}
	c.Was = n.Changes[i].Was
	n.Changes[i] = c
}

// Text returns the change in a sentence.
func (c Change) Text() string {
	return fmt.Sprintf("%s was %s and is %s", c.What, c.Was, c.Now)
}
