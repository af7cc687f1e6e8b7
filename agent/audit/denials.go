package audit

import (
	"encoding/json"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/policy"
)

const (
	// Summed is the outcome of the short record of a denied request that a sum stands for. It has
	// the nonce or the digest that the request used up, and nothing of what was asked. Pages leave
	// it out, unless they are asked for it by its number.
	Summed = "summed"
	// EventDenials is the name of the event that holds a sum.
	EventDenials = "denied requests"
)

// Denials is the content of a record that stands for many denied requests of an app. The first one
// of a flood has no requests: it says from which record on they are summed, so that this is known
// after a crash, too.
type Denials struct {
	Requests int           `json:"requests"`
	First    uint64        `json:"first"` // the number of the first short record
	Last     uint64        `json:"last,omitempty"`
	Since    time.Time     `json:"since"`
	Until    time.Time     `json:"until,omitzero"`
	Counts   []DenialCount `json:"counts,omitempty"`
}

// DenialCount counts denied requests that are alike.
type DenialCount struct {
	Denial
	Requests int `json:"requests"`
}

// Denial is what the short record of a denied request says of it.
type Denial struct {
	Kind   string      `json:"request"`
	Result string      `json:"result"` // refused, ignored or failed
	Code   policy.Code `json:"code"`
}

// Encode returns the denial as the content of its record.
func (d Denial) Encode() []byte { return encode(d) }

// Add counts one more request.
func (d *Denials) Add(one Denial, number uint64, at time.Time) {
	if d.Requests == 0 {
		d.First, d.Since = number, at
	}
	d.Requests++
	d.First, d.Last, d.Until = min(d.First, number), max(d.Last, number), at
	for i := range d.Counts {
		if d.Counts[i].Denial == one {
			d.Counts[i].Requests++
			return
		}
	}
	d.Counts = append(d.Counts, DenialCount{one, 1})
}

// Denials returns the sum that a record holds, and false if it holds none.
func (r *Record) Denials() (d Denials, ok bool) {
	if r.Type != recordTypes[ledger.RecordEvent] || r.Outcome != EventDenials {
		return d, false
	}
	var content struct {
		Denials Denials `json:"denials"`
	}
	err := json.Unmarshal(r.Content, &content)
	return content.Denials, err == nil
}

// summed reports whether a sum stands for a record.
func summed(r *ledger.Record) bool { return r.Type == ledger.RecordRejected && r.Outcome == Summed }
