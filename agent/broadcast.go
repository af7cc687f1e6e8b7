package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pksa/agent/cosign"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/policy"
	"pksa/keystore"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// carryOut signs and, if asked, broadcasts what was admitted. The record that permits it is on
// disk.
func (a *Agent) carryOut(ctx context.Context, g granted, p *proposal) {
	r, tx, request := g.run, p.tx, p.request
	signed, err := a.sign(g, p)
	if err == nil && !a.ledger.Leads() {
		err = errLeaseEnded // what was signed goes nowhere
	}
	if err != nil {
		a.finish(ctx, g, ending{outcome: "not signed", reason: err.Error(),
			answer: r.nack(protocol.TextInternal), failed: true})
		return
	}
	// On disk: the ruling with the transaction, no outcome. Nothing was sent. The next start looks
	// the transaction up until it has expired; one that was not to be broadcast is answered with an
	// error.
	crashpoint("signed")
	if request.Exact {
		g.exact = p.collect(&signed)
	}
	text, err := a.network.AppendJSON(nil, signed)
	switch {
	case err != nil:
		a.finish(ctx, g, ending{outcome: "not signed", reason: err.Error(),
			answer: r.nack(protocol.TextInternal), failed: true})
	case request.Exact && !request.Broadcast:
		a.finish(ctx, g, ending{outcome: "signed", answer: r.exactAck(g.exact, false)})
	case !request.Broadcast:
		// The application may send it whenever it likes: what becomes of it is not looked up, and
		// its charges stay.
		no := false
		a.finish(ctx, g, ending{outcome: "signed", answer: protocol.Ack{Kind: protocol.Sign, UUID: r.msg.UUID,
			Data: text, Broadcast: &no}})
	default:
		if request.Exact {
			a.broadcast(ctx, g, node.Transaction{ID: tx.id, Expiration: tx.tx.Expiration, JSON: text})
			return
		}
		lost := ledger.Fate{TxID: tx.id, Number: g.number, Account: string(r.msg.Account), App: r.app,
			TxExpires: tx.tx.Expiration.Time(), Until: g.charged}
		a.broadcast(ctx, g, node.Transaction{ID: tx.id, Expiration: tx.tx.Expiration, JSON: text,
			Lost: func(ctx context.Context, o node.Outcome) { a.refunds.Lost(ctx, lost, o.Node) }})
	}
}

// collect returns the answer about a transaction that the application made and this wallet signed.
// It has our signatures alone, and what is missing or superfluous if the application asks that.
// What is broadcast gets the signatures of others that the chain needs, besides.
func (p *proposal) collect(signed *hive.SignedTransaction) *protocol.SignAckData {
	answer := &protocol.SignAckData{ID: p.tx.id, Signatures: signed.Signatures}
	if p.signers == nil {
		return answer
	}
	made, err := cosign.Recover(p.tx.digest, signed.Signatures)
	if err != nil {
		return answer // unreachable: each signature was checked when it was made
	}
	if p.others != nil {
		ours := make([]hive.PublicKey, len(made))
		for i, one := range made {
			ours[i] = one.Key
		}
		missing := p.signers.Missing(ours)
		answer.Missing = append([]hive.Shortfall{}, missing[:min(len(missing), protocol.MaxMissing)]...)
		answer.Superfluous = p.signers.Superfluous(made, p.others)
	}
	if p.request.Broadcast {
		signed.Signatures = p.signers.Choose(made)
	}
	return answer
}

// sign signs with each key that the operations need, the posting key first, and with no other.
func (a *Agent) sign(g granted, p *proposal) (hive.SignedTransaction, error) {
	tx := p.tx
	signed := hive.SignedTransaction{Transaction: tx.tx}
	held, err := a.reach(g, policy.SigningRoles(tx.tx.Operations)...)
	if err != nil {
		return signed, err
	}
	var keys []*keystore.Key
	for _, key := range held {
		if key.Role() == hive.Signing && !signsFor(tx.tx.Operations, key.Public()) {
			return signed, errors.New("another signing key is held by now than the one that the operation names")
		}
		// An account may have one key in two roles. The chain refuses two signatures of one key.
		if !slices.ContainsFunc(keys, func(k *keystore.Key) bool { return k.Public() == key.Public() }) {
			keys = append(keys, key)
		}
	}
	if err := p.mayBroadcast(keys); err != nil {
		return signed, err
	}
	for _, key := range keys {
		signature, err := key.Sign(tx.digest)
		if err != nil {
			return signed, err
		}
		signed.Signatures = append(signed.Signatures, signature)
	}
	return signed, nil
}

// mayBroadcast returns why a transaction that the application made is not signed for its broadcast:
// other keys are held by now than when nodes told who has to sign, and these do not suffice.
func (p *proposal) mayBroadcast(keys []*keystore.Key) error {
	if !p.request.Exact || !p.request.Broadcast {
		return nil
	}
	ours := make([]hive.PublicKey, len(keys))
	for i, key := range keys {
		ours[i] = key.Public()
	}
	if against := p.signers.Against(ours); against != "" {
		return errors.New(against)
	}
	return nil
}

// reach returns the keys with which an admitted request is carried out. It is the only way to a
// signature and to a decrypted memo, and only [Agent.ruled] says that a request is admitted: what
// no commit allows comes to no key. The keys are looked up now and not earlier: if a command
// removed one since the decision, none is returned.
func (a *Agent) reach(g granted, roles ...hive.Role) ([]*keystore.Key, error) {
	if !g.admitted {
		return nil, errNotAdmitted
	}
	if !a.ledger.Leads() {
		return nil, errLeaseEnded
	}
	var keys []*keystore.Key
	for _, role := range roles {
		key, held := a.keys.Key(g.run.msg.Account, role)
		if !held {
			return nil, fmt.Errorf("no %s key of %s is held any more", role, g.run.msg.Account)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// errNotAdmitted is a mistake of this program.
var errNotAdmitted = errors.New("no commit allows the request")

// errLeaseEnded says that another copy may have taken the ledger over since the request was
// admitted: that one answers it.
var errLeaseEnded = errors.New("the lease of the ledger has ended")

// signsFor reports whether a signing key is the one that each operation for a witness names: the
// chain takes no other.
func signsFor(ops []hive.Operation, public hive.PublicKey) bool {
	for _, op := range ops {
		if named, ok := op.WitnessKey(); ok && named != public {
			return false
		}
	}
	return true
}

// Bounds of the broadcasts whose outcome is still looked for when their requests have ended. They
// have left the places of their apps, and nodes that take transactions and tell nothing could make
// them as many as they like.
const (
	mostUncertain      = 4096
	mostUncertainBytes = 16 << 20 // of the transactions as JSON

	// Those that an app made, of which it says for how many hours they can be included: of one app
	// and, four times as many, of all apps.
	mostUncertainExact      = 512
	mostUncertainExactBytes = 2 << 20
	exactApps               = 4
)

// uncertain counts these broadcasts. The zero value is ready, and its methods may be called
// concurrently.
type uncertain struct {
	mu    sync.Mutex
	all   broadcasts
	exact broadcasts            // of them, those that apps made
	of    map[string]broadcasts // and those that each app made
}

type broadcasts struct{ number, bytes int }

func (b broadcasts) plus(number, bytes int) broadcasts {
	return broadcasts{b.number + number, b.bytes + bytes}
}

// reaches reports whether there are so many times as many as may be.
func (b broadcasts) reaches(times, number, bytes int) bool {
	return b.number >= times*number || b.bytes >= times*bytes
}

// add counts more of them. maker is the app that made them, empty if the wallet did.
func (u *uncertain) add(maker string, number, size int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = u.all.plus(number, size)
	if maker == "" {
		return
	}
	u.exact = u.exact.plus(number, size)
	if u.of == nil {
		u.of = map[string]broadcasts{}
	}
	if u.of[maker] = u.of[maker].plus(number, size); u.of[maker] == (broadcasts{}) {
		delete(u.of, maker)
	}
}

// full reports whether nothing more may be broadcast, of what an app made or of what the wallet
// makes, as in add. Those that are on their way may still become uncertain: their number is that of
// the places.
func (u *uncertain) full(maker string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if maker != "" && (u.exact.reaches(exactApps, mostUncertainExact, mostUncertainExactBytes) ||
		u.of[maker].reaches(1, mostUncertainExact, mostUncertainExactBytes)) {
		return true
	}
	return u.all.reaches(1, mostUncertain, mostUncertainBytes)
}

// broadcast sends the transaction until its fate is known. If that is not known shortly before the
// request ends, the application is told so, with the transaction's id, and nothing after it. The
// search goes on until the outcome is certain or the program stops, however long the nodes are
// silent, and the ledger gets it whenever it comes.
func (a *Agent) broadcast(ctx context.Context, g granted, tx node.Transaction) {
	r := g.run
	r.letNext()
	// On a goroutine of its own, because the answer must not wait for it. Its context is that of
	// the work, not of the link: a connection that breaks ends no broadcast.
	done := make(chan node.Outcome, 1)
	a.start(func(context.Context) {
		outcome := a.node.Broadcast(ctx, tx)
		// On disk: the ruling with the transaction, no outcome. A node may have the transaction;
		// the next start looks it up, and does not send it again.
		crashpoint("broadcast")
		done <- outcome
	})
	timer := time.NewTimer(time.Until(r.expires().Add(-answerMargin)))
	defer timer.Stop()
	select {
	case outcome := <-done:
		a.broadcastDone(ctx, g, tx.ID, outcome)
	case <-timer.C:
		// The settlement stays open: it frees those who wait for the answer, and the outcome that
		// comes later is still recorded. The application is told only once, so that it never hears
		// a failure after it has acted on "uncertain", or the other way round.
		record := outcomeRecord("failed", ending{outcome: "uncertain", id: tx.ID})
		a.settle(ctx, g, ledger.Settlement{Outcome: "uncertain", Open: true, Record: record}, r.uncertain(tx.ID))
		a.metrics.Request("sign", "failed", "uncertain", time.Since(r.arrived))
		a.log.Info("request failed", append(append(r.attrs(), "number", g.number, "outcome", "uncertain"),
			g.shown...)...)
		g.answered, g.run, g.shown = true, r.kept(), nil // thousands may be looked for
		maker := ""
		if g.exact != nil {
			maker = r.app
		}
		a.uncertain.add(maker, 1, len(tx.JSON))
		a.start(func(ctx context.Context) {
			defer a.uncertain.add(maker, -1, -len(tx.JSON))
			a.broadcastDone(ctx, g, tx.ID, <-done)
		})
	}
}

// broadcastDone answers a request by what became of its transaction.
func (a *Agent) broadcastDone(ctx context.Context, g granted, id hive.TxID, o node.Outcome) {
	r := g.run
	e := ending{outcome: o.State.String(), reason: o.Reason, node: o.Node, block: o.Block, id: id}
	switch o.State {
	case node.Accepted:
		e.answer = protocol.BroadcastAck(r.msg.UUID, id.String())
		if g.exact != nil {
			e.answer = r.exactAck(g.exact, true)
		}
	case node.Refused, node.Expired:
		e.answer, e.failed, e.told = r.notBroadcast(o, id), true, failureText(o, id)
		if g.exact != nil && o.State == node.Refused {
			// It may live for an hour, nodes have it, and its application may bring it again.
			e.answer = r.doubt(e.told)
		}
	default:
		// The deadline of a stop. Left unfinished: the next start looks the transaction up.
		a.log.Warn("outcome of a broadcast is not known", append(r.attrs(), "tx", id.String(), "reason", o.Reason)...)
		return
	}
	if o.Code == node.CodeMissingAuthority {
		a.checkKeysSoon() // the account's keys may have been changed
	}
	a.finish(ctx, g, e)
}

// failureTexts are the reasons of a failed broadcast that an application may hear. A node chooses
// one of them at most, and none of its words goes on.
var failureTexts = map[node.Class]string{
	node.ClassCredits: protocol.TextBroadcastCredits, node.ClassBalance: protocol.TextBroadcastBalance,
	node.ClassAuthority: protocol.TextBroadcastAuthority, node.ClassExpired: protocol.TextBroadcastExpired,
	node.ClassRejected: protocol.TextBroadcastRejected, node.ClassNoNode: protocol.TextBroadcastNoNode,
}

// failureText returns what an application hears of a transaction that failed. What one host of
// several alone calls dead is not certain enough to be told as failed: the application hears the
// id, and can look for itself.
func failureText(o node.Outcome, id hive.TxID) string {
	if text, ok := failureTexts[o.Class]; ok {
		return text
	}
	return uncertainText(id)
}

// notBroadcast makes the answer to a request whose transaction failed: a nack, unless it is not
// certain enough.
func (r *run) notBroadcast(o node.Outcome, id hive.TxID) protocol.Answer {
	if text, ok := failureTexts[o.Class]; ok {
		return r.nack(text)
	}
	return r.uncertain(id)
}

// WhereaboutsParams name a transaction that this wallet signed.
type WhereaboutsParams struct {
	Transaction string    `json:"transaction"`
	Asked       time.Time `json:"asked"` // when the request for it came
	// Long says that it may live longer than usual: the application made it, or a person was asked.
	Long bool `json:"long,omitempty"`
}

// Whereabouts is what nodes say of a transaction now.
type Whereabouts struct {
	Transaction string `json:"transaction"`
	node.Presence
}

// Promises returns the members that no answer lacks.
func (Whereabouts) Promises() []string { return []string{"transaction"} }

const (
	// mostAsking is how long nodes are asked where a transaction is: a person waits for it.
	mostAsking = 10 * time.Second
	// mostLifetime is longer than a transaction that we make lasts from the request on. mostLong is
	// longer than one lasts that an application makes, see limits.transaction_life, or that waits
	// for a person as long as its request lives. The trail does not have the expiration.
	mostLifetime = time.Hour
	mostLong     = 25 * time.Hour
)

// whereabouts asks the nodes for a transaction, when a person wants to know. The client looks after
// what was accepted by itself, but tells of what is lost only: that the others are in a block is no
// news, and a record of each would make the trail half as long again.
func (a *Agent) whereabouts(ctx context.Context, p WhereaboutsParams) (Whereabouts, error) {
	id, err := hive.ParseTxID(p.Transaction)
	if err != nil {
		return Whereabouts{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, mostAsking)
	defer cancel()
	life := mostLifetime
	if p.Long {
		life = mostLong
	}
	expiration := hive.TimeOf(p.Asked.Add(life))
	return Whereabouts{p.Transaction, a.node.Whereabouts(ctx, id, expiration)}, nil
}
