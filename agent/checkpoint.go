package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// OwnSlot is the app by which the agent asks itself to publish the head of the audit trail. No
// application can have the name. What it asks takes the way of every request: a rule must allow it,
// limits count it, the trail holds it.
const OwnSlot = "pksa"

var errOwnSlot = errors.New("the app pksa is the wallet itself; applications have other names")

const (
	firstCheckpoint    = time.Minute     // after the start, when nodes are known
	checkpointPatience = 2 * time.Minute // for the chain, and for a person if the policy asks one
)

// watchCheckpoints publishes the head of the audit trail at intervals. A restart does not begin the
// time again: the trail says when it was published last.
func (a *Agent) watchCheckpoints(ctx context.Context) {
	next := max(firstCheckpoint, time.Until(a.lastCheckpoint().Add(a.settings().CheckpointEvery)))
	var published uint64 // the head right after the last that was published
	for pause(ctx, next, nil) {
		next = a.settings().CheckpointEvery
		if number, _ := a.ledger.Head(); number == published || a.lock.Locked() {
			continue // nothing has happened since, or nothing can be signed
		}
		if err := a.publishHead(a.work); err != nil {
			a.log.Warn("head of the audit trail not published", "account", a.settings().CheckpointAccount, "err", err)
		}
		// The publishing is recorded, too, and is no reason to publish again.
		if a.ledger.Flush(a.work) == nil {
			published, _ = a.ledger.Head()
		}
	}
}

// lastCheckpoint returns when the head was published last; zero if that is long ago.
func (a *Agent) lastCheckpoint() time.Time {
	trail := a.admin().Trail()
	q := audit.Query{Last: true, Limit: 1, Filter: audit.Filter{App: OwnSlot, Result: "accepted",
		Since: a.ledger.Now().Add(-a.settings().CheckpointEvery)}}
	for {
		page, err := trail.Page(a.work, q)
		switch {
		case err != nil:
			return time.Time{}
		case len(page.Records) > 0:
			return page.Records[0].Time
		case page.End:
			return time.Time{}
		}
		q.To = page.Next
	}
}

// publishHead sends a custom_json with the head as it is now.
func (a *Agent) publishHead(ctx context.Context) error {
	account := hive.AccountName(a.settings().CheckpointAccount)
	session, err := a.ownSession(ctx, account)
	if err != nil {
		return err
	}
	number, mac := a.ledger.Head()
	text, err := json.Marshal(audit.Checkpoint{Version: 1, Trail: a.admin().Trail().Name(),
		Record: number, MAC: hex.EncodeToString(mac[:])})
	if err != nil {
		return err
	}
	op := append([]byte(`["custom_json",{"required_auths":[],"required_posting_auths":["`+account+`"],"id":"`+
		audit.CheckpointID+`","json":`), hive.AppendString(nil, string(text))...)
	r, err := a.ownRequest(session)
	if err != nil {
		return err
	}
	a.serveSign(ctx, r, protocol.SignReqData{
		KeyType: hive.Posting, Ops: [][]byte{append(op, "}]"...)}, Broadcast: true,
		Nonce: protocol.Nonce(r.arrived.UnixMilli()),
	})
	if r.refused != "" {
		return errors.New("refused: " + r.refused)
	}
	return nil
}

// ownRequest makes a request that the agent makes to itself, and begins it in the ledger.
func (a *Agent) ownRequest(s *ledger.Session) (*run, error) {
	uuid, err := protocol.ParseUUID(newUUID())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	r := &run{app: s.App, authKey: secret.Hide(string(s.AuthKey)), session: s, delivered: delivered{
		relay: OwnSlot, arrived: now, key: ledger.RequestKey{Relay: OwnSlot, UUID: uuid.Key()},
		msg: protocol.Request{Kind: protocol.Sign, Account: hive.AccountName(s.Account), UUID: uuid,
			Expire: now.Add(checkpointPatience).UnixMilli()},
	}}
	_, err = a.ledger.Begin(ledger.Arrival{Key: r.key, Digest: sha256.Sum256([]byte(uuid)), Expires: r.expires()})
	return r, err
}

// ownSession returns the session of the agent itself. Its keys are random and known to nobody.
func (a *Agent) ownSession(ctx context.Context, account hive.AccountName) (*ledger.Session, error) {
	for _, s := range a.ledger.SessionsOf(string(account)) {
		if s.App == OwnSlot {
			return s, nil
		}
	}
	if _, ok := a.ledger.Slot(OwnSlot); !ok {
		secret, err := slotSecret("")
		if err != nil {
			return nil, err
		}
		if _, err := a.ledger.AddSlot(ctx, OwnSlot, ledger.Secret(secret), act("checkpoints")); err != nil {
			return nil, err
		}
	}
	return a.ledger.AddSession(ctx, ledger.NewSession{
		Account: string(account), App: OwnSlot, AuthKey: ledger.Secret(newUUID()), Origin: ledger.Hand,
		Expires: a.ledger.Now().Add(maxSession),
	}, act("checkpoints"))
}
