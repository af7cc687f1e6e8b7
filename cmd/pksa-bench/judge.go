package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"pksa/agent/node/memchain"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/seal"
)

// errLost means that a request has no answer.
var errLost = errors.New("no answer")

// tally is what became of requests.
type tally struct {
	Requests int      `json:"requests"`
	Lost     int      `json:"lost"`
	Wrong    int      `json:"wrong"`
	Reasons  []string `json:"reasons,omitzero"` // of the first few that were lost or wrong
}

// reasonsShown is how many reasons are kept.
const reasonsShown = 3

func (t *tally) count(err error) {
	t.Requests++
	t.fault(err)
}

// fault counts what is wrong with a request that is counted already.
func (t *tally) fault(err error) {
	switch {
	case err == nil:
		return
	case errors.Is(err, errLost):
		t.Lost++
	default:
		t.Wrong++
	}
	if len(t.Reasons) < reasonsShown {
		t.Reasons = append(t.Reasons, err.Error())
	}
}

func (t *tally) add(other tally) {
	t.Requests += other.Requests
	t.Lost += other.Lost
	t.Wrong += other.Wrong
	t.Reasons = append(t.Reasons, other.Reasons...)
	t.Reasons = t.Reasons[:min(len(t.Reasons), reasonsShown)]
}

// judgeAll judges the answers of requests. Those of votes are only half judged: the chain has the
// other half; see judgeVotes.
func judgeAll(sent []*request) (t tally) {
	for _, r := range sent {
		t.count(r.judge())
	}
	return t
}

// judge returns what is wrong with the answer, nil if nothing is.
func (r *request) judge() error {
	switch {
	case r.failed != "":
		return fmt.Errorf("the relay says %q", r.failed)
	case r.answer == nil:
		return errLost
	case r.again:
		return errors.New("answered twice")
	case r.answer.RequestKind() != r.kind:
		return fmt.Errorf("a %s is answered with %s", r.kind, r.answer.Cmd())
	}
	switch m := r.answer.(type) {
	case protocol.Ack:
		return r.judgeAck(m)
	case protocol.Nack:
		if r.large && m.Error == protocol.TextNotSupported {
			return nil // no block has room for it
		}
		return fmt.Errorf("refused: %q", m.Error)
	case protocol.Err:
		text := m.Error
		if sealed, err := seal.Parse(text); err == nil {
			if clear, err := sealed.Open(r.session.authKey); err == nil {
				text = string(clear)
			}
		}
		return fmt.Errorf("failed: %q", text)
	}
	return fmt.Errorf("answered with %s", r.answer.Cmd())
}

func (r *request) judgeAck(m protocol.Ack) error {
	if r.large {
		return errors.New("what no block has room for is answered with an ack")
	}
	if r.kind == protocol.Sign {
		_, err := r.id(m)
		return err
	}
	clear, err := r.open(m)
	if err != nil {
		return err
	}
	if r.kind == protocol.Auth {
		grant, err := protocol.DecodeAuthAckData(clear)
		if err == nil && !time.UnixMilli(grant.Expire).After(time.Now()) {
			err = errors.New("the session that was granted has ended")
		}
		return err
	}
	answer, err := protocol.DecodeChallengeAckData(clear)
	if err != nil {
		return err
	}
	signature, err := hive.ParseSignature(string(answer.Challenge))
	if err != nil {
		return err
	}
	signer, err := signature.Recover(hive.HashText(r.text))
	if err != nil {
		return err
	}
	if signer != memchain.Key(r.session.account, hive.Posting).Public() || answer.PubKey != signer {
		return fmt.Errorf("signed by %s, which is not the posting key of %s", signer, r.session.account)
	}
	return nil
}

// open returns the clear text of an answer that was sealed for this very request.
func (r *request) open(m protocol.Ack) ([]byte, error) {
	asked, err := seal.Parse(r.data)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.Parse(string(m.Data))
	if err != nil {
		return nil, err
	}
	clear, err := sealed.Open(r.session.authKey)
	if err != nil {
		return nil, err
	}
	if !sealed.HasSalt(seal.Binding(r.session.authKey, asked.Digest(), m.Cmd(), string(clear))) {
		return nil, errors.New("the answer was sealed for another request")
	}
	return clear, nil
}

// id returns the transaction that the wallet says it has broadcast.
func (r *request) id(m protocol.Ack) (hive.TxID, error) {
	text, ok := m.TransactionID()
	if !ok {
		return hive.TxID{}, errors.New("a vote is answered without a transaction id")
	}
	return hive.ParseTxID(text)
}

// judgeVotes compares what the wallet said with what the chain has: each vote that was acknowledged
// is there once, under the id that was told, and nothing is there that nobody asked for. All votes
// that were ever sent must be given.
func judgeVotes(sent []*request, on []transaction) (t tally) {
	found := make(map[hive.TxID][]byte, len(on))
	times := make(map[string]int, len(on))
	for _, tx := range on {
		found[tx.ID] = tx.Ops
		times[string(tx.Ops)]++
	}
	for _, r := range sent {
		n := times[string(r.ops)]
		delete(times, string(r.ops))
		if n > 1 {
			t.fault(fmt.Errorf("a vote is on the chain %d times", n))
			continue
		}
		ack, ok := r.answer.(protocol.Ack)
		if !ok {
			continue // judged already
		}
		if id, err := r.id(ack); err == nil && !bytes.Equal(found[id], r.ops) {
			t.fault(fmt.Errorf("the chain does not have the vote as transaction %s", id))
		}
	}
	for range times {
		t.fault(errors.New("the chain has a transaction that nobody asked for"))
	}
	return t
}
