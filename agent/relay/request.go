package relay

import (
	"context"
	"time"

	"pksa/protocol"
)

// acceptRequest takes a request of an application: names it, tells the application so before
// anything else can reach it, keeps it until it expires and queues it for every wallet of the
// account (HAS §11.2, 4).
func (r *Relay) acceptRequest(s *socket, m protocol.Request, now time.Time) {
	if m.Data == "" || len(m.Data) > r.options.Limits.Data || len(m.AuthKey) > maxAuthKey || len(m.Token) > maxToken {
		s.reply(protocol.ErrorMessage{Text: textNoData})
		return
	}
	id := protocol.UUID(newUUID())
	expire := now.Add(r.options.Timeout)
	frame, err := protocol.Encode(protocol.Request{
		Kind: m.Kind, Account: m.Account, Data: m.Data, AuthKey: m.AuthKey, Token: m.Token,
		UUID: id, Expire: expire.UnixMilli(),
	})
	if err != nil {
		s.reply(protocol.ErrorMessage{Text: textNoData})
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweepLocked(now)
	if !r.roomLocked(s, m, len(frame)) {
		r.counters.OverLimit++
		s.reply(protocol.ErrorMessage{Text: textTooMany})
		return
	}
	s.reply(protocol.Wait{Kind: m.Kind, UUID: id, Expire: expire.UnixMilli(), Account: string(m.Account)})
	q := &request{id: id, kind: m.Kind, account: m.Account, expire: expire, message: frame}
	r.store.add(q)
	r.store.bind(q, s)
	r.scheduleLocked(expire)
	r.counters.Requests++
	for wallet := range r.store.accounts[m.Account].wallets {
		wallet.push(item{request: q})
	}
}

// roomLocked reports whether one more request is within all limits.
func (r *Relay) roomLocked(s *socket, m protocol.Request, size int) bool {
	l := r.options.Limits
	waiting := 0
	if a := r.store.accounts[m.Account]; a != nil {
		waiting = a.pending.Len()
	}
	return s.pending < l.AppPending && waiting < l.AccountPending &&
		len(r.store.requests) < l.Requests && r.store.bytes+size <= l.Bytes
}

// acceptAnswer takes the answer of a wallet, the first good one for good (HAS §11.2, 5).
func (r *Relay) acceptAnswer(ctx context.Context, s *socket, a protocol.Answer, now time.Time) {
	q, refusal := r.requestOf(s, a, now)
	if refusal == "" && q != nil {
		refusal = r.checkProof(ctx, s, q, a)
	}
	if refusal != "" {
		r.count(func(c *Counters) { c.Refused++ })
		s.reply(protocol.ErrorMessage{Text: refusal})
		if refusal == textProof {
			s.punish(ctx)
		}
		return
	}
	if q == nil {
		return
	}
	frame, err := protocol.Encode(a.WithProof("")) // the proof was for us
	if err != nil {
		s.reply(protocol.ErrorMessage{Text: textInvalid})
		return
	}
	r.settle(q, frame)
}

// requestOf finds the request of an answer and checks all but the proof. No request and no refusal:
// settled before, drop.
func (r *Relay) requestOf(s *socket, a protocol.Answer, now time.Time) (q *request, refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q = r.store.find(a.RequestUUID(), now)
	if q == nil {
		return nil, textUnknownID
	}
	if _, ok := s.accounts[q.account]; !ok {
		return nil, textNotHere
	}
	if q.kind != a.RequestKind() {
		return nil, textKind
	}
	if q.settled {
		r.counters.LateAnswers++
		return nil, ""
	}
	return q, ""
}

func (r *Relay) checkProof(ctx context.Context, s *socket, q *request, a protocol.Answer) (refusal string) {
	if r.options.NoProof || r.options.Version08 && a.Proof() == "" {
		return ""
	}
	keys, err := r.prover.keysOf(ctx, q.account, time.Now())
	if err == nil {
		err = r.prover.checkAnswer(a.Proof(), keys, q.id)
	}
	if err == nil {
		return ""
	}
	r.log.Debug("answer refused", "socket", s.id, "account", q.account, "uuid", q.id, "err", err)
	return textProof
}

func (r *Relay) settle(q *request, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.settled || !time.Now().Before(q.expire) {
		r.counters.LateAnswers++
		return
	}
	r.store.settle(q, frame)
	r.counters.Answered++
	if q.app != nil {
		q.app.push(item{request: q, answer: true})
	}
}

// attach gives the answer of a request to another connection than the one that asked (HAS §11.2,
// 6). Whoever knows the uuid may attach; uuids are unguessable, and answers are sealed for the
// application.
func (r *Relay) attach(s *socket, m protocol.AttachReq, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.store.find(m.UUID, now)
	if q == nil {
		s.reply(protocol.AttachNack(m))
		return
	}
	r.store.bind(q, s)
	r.counters.Attached++
	s.reply(protocol.AttachAck(m))
	if q.settled {
		s.push(item{request: q, answer: true, owed: true})
	}
}
