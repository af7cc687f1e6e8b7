package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"pksa/agent/approve"
	"pksa/agent/ledger"
)

// CheckpointID is the id of the custom_json that publishes the head of an audit trail.
const CheckpointID = "pksa-audit"

// Checkpoint is what is published of an audit trail: its last record, and the MAC that stands for
// all records up to it. Without the keystore's secret nobody can make one or learn anything from
// it.
type Checkpoint struct {
	Version int    `json:"version"`
	Trail   string `json:"trail"` // which trail: 16 hexadecimal digits of a hash of the ledger's id
	Record  uint64 `json:"record"`
	MAC     string `json:"mac"` // 64 hexadecimal digits
}

// ParseCheckpoint reads the text of a custom_json. It reports false for what is no checkpoint of a
// known version.
func ParseCheckpoint(text string) (Checkpoint, bool) {
	var c Checkpoint
	if json.Unmarshal([]byte(text), &c) != nil || c.Version != 1 || c.Record == 0 {
		return Checkpoint{}, false
	}
	mac, err := hex.DecodeString(c.MAC)
	return c, err == nil && len(mac) == sha256.Size
}

// Published is a checkpoint that was found on the chain.
type Published struct {
	Checkpoint
	TxID string `json:"transaction"`
}

// VerifyParams is the checkpoints to compare the trail with. Without any the trail is still
// compared with its own MACs.
type VerifyParams struct {
	Checkpoints []Published `json:"checkpoints,omitempty"`
}

// Verified is the result of reading the whole trail.
type Verified struct {
	From     uint64   `json:"from"` // the oldest record that is kept
	To       uint64   `json:"to"`   // the last that is in order
	Problems []string `json:"problems,omitempty"`

	Compared int    `json:"compared,omitempty"` // checkpoints that agree with the trail
	Newest   uint64 `json:"newest,omitempty"`   // the record of the newest of these
	Skipped  int    `json:"skipped,omitempty"`  // checkpoints of other trails, and of records that are not kept

	// Approvals is how many answers were given with a passkey. The signature of each was checked
	// again.
	Approvals int `json:"approvals,omitempty"`

	Lost []Lost `json:"lost,omitempty"` // records that the operator gave up
}

// Lost is records that were damaged, and without which the operator chose to go on (`pksa ledger
// mend --lose`). The records around them are in order.
type Lost struct {
	From uint64    `json:"from"`
	To   uint64    `json:"to"` // one less than From if none is lost, and only the chain was broken
	At   time.Time `json:"at"` // when the operator gave them up
}

// Promises returns the members that no answer of the agent lacks: without them nothing was
// verified.
func (Verified) Promises() []string { return []string{"from", "to"} }

// Verify reads the whole trail and returns which record, if any, is not what was recorded, or not
// what was published. What it finds is no error.
func (t Trail) Verify(ctx context.Context, p VerifyParams) (Verified, error) {
	macs := map[uint64]string{}
	for _, c := range p.Checkpoints {
		macs[c.Record] = ""
	}
	_ = t.Ledger.Flush(ctx) // if the last records cannot be committed, the rest is verified all the same
	head, _ := t.Ledger.Head()
	first := uint64(0)
	var found Verified
	v, err := t.Ledger.VerifyEach(ctx, func(r *ledger.Record, mac [32]byte) {
		number := r.Number
		found.approval(r, t.Name())
		if first == 0 {
			first = number
		}
		if t.Progress != nil {
			t.Progress(number-first+1, max(head, number)-first+1)
		}
		if _, wanted := macs[number]; wanted {
			macs[number] = hex.EncodeToString(mac[:])
		}
	})
	found.From, found.To = v.From, v.To
	if errors.Is(err, ledger.ErrDamaged) {
		// The MACs after a damaged record say nothing, so they are compared with no checkpoint.
		found.Problems = append(found.Problems, err.Error())
		return found, nil
	}
	for _, h := range t.Ledger.Holes() {
		if h.To+1 >= found.From { // also the one with which the trail begins
			found.Lost = append(found.Lost, Lost{h.From, h.To, h.At})
		}
	}
	for _, c := range p.Checkpoints {
		found.compare(c, t.Name(), macs[c.Record])
	}
	return found, err
}

// OutcomeResume is what the record of a pause's end says. The record names the app, if it was the
// pause of one.
const OutcomeResume = "resume"

// OutcomePairing is what the record of a yes to a pairing says. The pairing stands beside the
// approval.
const OutcomePairing = "pairing approved"

// OutcomePolicy is what the record of a yes to another policy says. The hashes of both stand beside
// the approval.
const OutcomePolicy = "policy approved"

// ofActs are the purposes of the yes in records of acts, by their outcome.
var ofActs = map[string]approve.Purpose{OutcomeResume: approve.Resume, OutcomePairing: approve.Pair,
	OutcomePolicy: approve.Policy}

// approvalMember is what a content with an approval has in it. Texts of others cannot: they are
// written with their quotes escaped.
var approvalMember = []byte(`"approval":{`)

// approval checks the signature of a yes again, if the record is one of a yes with a passkey. The
// MACs say that this wallet wrote the record. The signature says that a person said yes to this
// request, or to the end of this pause, which the wallet cannot write by itself.
func (v *Verified) approval(r *ledger.Record, wallet string) {
	purpose, of := approve.Decide, fmt.Sprintf("request %d", r.Ref)
	switch {
	case !bytes.Contains(r.Content, approvalMember):
		return
	case r.Type == ledger.RecordDecided:
	case r.Type == ledger.RecordAdmin && ofActs[r.Outcome] != "":
		purpose, of = ofActs[r.Outcome], r.Outcome
	default:
		return
	}
	var content struct {
		Content
		approved
	}
	err := json.Unmarshal(r.Content, &content)
	if err == nil && content.Approval == nil {
		return
	}
	passkeys := map[string]bool{}
	for _, p := range append(content.MoreApprovals, content.Approval) {
		if err == nil {
			err = fits(p, r, purpose, wallet, content.approved)
		}
		if err == nil && passkeys[string(p.Passkey)] {
			err = errors.New("one passkey signed twice")
		}
		if err != nil {
			v.Problems = append(v.Problems, fmt.Sprintf("record %d: the approval of %s does not fit: %v", r.Number, of,
				err))
			return
		}
		passkeys[string(p.Passkey)] = true
	}
	v.Approvals += len(passkeys)
}

// approved is what a yes of an act was given to, as its record has it.
type approved struct {
	Pairing approve.Pairing `json:"pairing"`
	approve.PolicyChange
}

// fits checks a yes that stands in a record.
func fits(p *approve.Proof, r *ledger.Record, purpose approve.Purpose, wallet string, to approved) error {
	pairing, change := to.Pairing.Digest(), to.PolicyChange.Digest()
	switch {
	case p == nil:
		return errors.New("there is none")
	case p.Purpose != purpose:
		return fmt.Errorf("it is one to %q", p.Purpose)
	case purpose == approve.Decide && p.Number != r.Ref:
		return fmt.Errorf("it is one to request %d", p.Number)
	case purpose == approve.Resume && p.Name != r.App:
		return fmt.Errorf("it is one to serve %q", p.Name)
	case purpose == approve.Pair && (string(p.What) != string(pairing[:]) || to.Pairing.App != r.App):
		return errors.New("it is one to another pairing")
	case purpose == approve.Policy && string(p.What) != string(change[:]):
		return errors.New("it is one to another policy")
	case p.Wallet != wallet:
		return errors.New("it was given to another wallet")
	}
	return p.Check()
}

// lost reports whether a record is among those that were given up.
func (v *Verified) lost(number uint64) bool {
	return slices.ContainsFunc(v.Lost, func(l Lost) bool { return l.From <= number && number <= l.To })
}

// compare judges one checkpoint by the MAC that this trail has of its record; empty if it has none.
func (v *Verified) compare(c Published, trail, mac string) {
	complain := func(format string, args ...any) {
		v.Problems = append(v.Problems, fmt.Sprintf("transaction %s published record %d: ", c.TxID, c.Record)+
			fmt.Sprintf(format, args...))
	}
	switch {
	// Anybody can publish with the posting key, and an account may publish for several wallets.
	case c.Trail != trail, c.Record < v.From, mac == "" && v.lost(c.Record):
		v.Skipped++
	case c.Record > v.To:
		complain("the trail ends at record %d; what came after was removed, or the ledger is an old copy", v.To)
	case mac == "":
		complain("the trail has no such record")
	case mac != c.MAC:
		complain("the trail up to there is another; it was replaced, as `pksa ledger new` does, or somebody else " +
			"published with the posting key")
	default:
		v.Compared++
		v.Newest = max(v.Newest, c.Record)
	}
}
