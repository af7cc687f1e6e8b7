package relay

import (
	"bytes"
	"context"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// acceptRequest takes a request of an application: it names the request, tells the application the
// name before anything else about it, keeps it until it expires, and queues it for every wallet of
// the account (HAS §11.2, 4), a stranger's for those that have not been sent too many.
func (s *socket) acceptRequest(m protocol.Request, now time.Time) {
	r := s.relay
	if m.Data == "" || len(m.Data) > r.options.Limits.Data || len(m.AuthKey) > maxAuthKey || len(m.Token) > maxToken {
		s.reply(protocol.ErrorMessage{Text: textNoData})
		return
	}
	// The relay makes the uuid: an application that chose it could take that of another request.
	// Members that the protocol does not know are not forwarded.
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
	r.sweepLocked(now) // what has expired must not take up room
	wallets, ok := s.receiversLocked(m.Account, len(frame), now)
	if !ok || !s.makeRoomLocked(m.Account, len(frame)) {
		r.counters.OverLimit++
		s.reply(protocol.ErrorMessage{Text: textTooMany})
		return
	}
	// The wait is queued under the lock and before any wallet can see the request: an answer that
	// overtook it would be for a uuid that the application does not know.
	s.reply(protocol.Wait{Kind: m.Kind, UUID: id, Expire: expire.UnixMilli(), Account: string(m.Account)})
	q := &request{id: id, kind: m.Kind, account: m.Account, expire: expire, message: frame}
	r.store.add(q)
	r.store.bind(q, s)
	r.scheduleLocked(expire)
	r.counters.Requests++
	for _, wallet := range wallets {
		wallet.deliverLocked(q)
	}
}

// acceptAnswer takes the answer of a wallet. The first good one counts, for good (HAS §11.2, 5).
func (s *socket) acceptAnswer(ctx context.Context, a protocol.Answer, now time.Time) {
	q, refusal := s.requestOf(a, now)
	if refusal == "" && q != nil {
		refusal = s.checkProof(ctx, q, a)
	}
	if refusal != "" {
		if refusal != protocol.TextAnsweredElsewhere {
			s.relay.count(func(c *Counters) { c.Refused++ })
		}
		s.reply(protocol.ErrorMessage{Text: refusal})
		if refusal == textProof {
			s.punish(ctx)
		}
		return
	}
	if q == nil {
		return
	}
	frame, err := protocol.Encode(a.WithProof("")) // the proof was for the relay
	if err != nil {
		s.reply(protocol.ErrorMessage{Text: textInvalid})
		return
	}
	s.settle(q, frame)
}

// requestOf returns the request of an answer after checking everything but the proof, or why the
// answer is refused. It returns neither if the request was answered before: two wallets of one
// account both answer, and the later one has done nothing wrong.
func (s *socket) requestOf(a protocol.Answer, now time.Time) (q *request, refusal string) {
	r := s.relay
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
		return nil, s.lateLocked(q, a)
	}
	return q, ""
}

// lateLocked returns what a wallet is told whose answer came too late: nothing, unless another
// wallet that is still connected gave another answer. A wallet that repeats its own answer on a new
// connection is told nothing. A wallet whose request another one answers, and who did not know of
// it, may be one of two copies.
func (s *socket) lateLocked(q *request, a protocol.Answer) (refusal string) {
	if q.by == nil || q.by == s || q.by.gone {
		return ""
	}
	if frame, err := protocol.Encode(a.WithProof("")); err != nil || bytes.Equal(frame, q.answer) {
		return ""
	}
	return protocol.TextAnsweredElsewhere
}

// checkProof returns why the proof of key of an answer is refused, or nothing. It runs without the
// lock: keys may have to be looked up.
func (s *socket) checkProof(ctx context.Context, q *request, a protocol.Answer) (refusal string) {
	r := s.relay
	if r.options.NoProof || a.Proof() == "" && s.mayAnswerUnproved(q.account) {
		return ""
	}
	// The connection has proved the account, so this does not wait for strangers.
	keys, err := r.prover.keysOf(ctx, q.account, time.Now(), atOnce)
	if err == nil {
		err = r.prover.checkAnswer(a.Proof(), keys, q.id)
	}
	if err == nil {
		return ""
	}
	r.log.Debug("answer refused", "socket", s.id, "account", q.account, "uuid", q.id, "err", err)
	return textProof
}

// mayAnswerUnproved reports whether this connection is one of a wallet that sends no proofs with
// its answers, and the relay takes them for the account. What is refused for want of a proof is
// logged now and then: it is a phone wallet that its owner sees do nothing.
func (s *socket) mayAnswerUnproved(account hive.AccountName) bool {
	r := s.relay
	allowed := r.options.Unproven(account) // without the lock: it is foreign code
	r.mu.Lock()
	proves, refused := s.proves, uint64(0)
	if !proves && !allowed {
		refused = r.proofLog.happened(time.Now())
	}
	r.mu.Unlock()
	if refused > 0 {
		r.log.Warn("an answer without proof of key was refused, as wallets of protocol 0.8 send them",
			"account", account, "refused", refused, "hint", "the setting relay.unproven names the accounts whose "+
				"wallets need no proof")
	}
	return allowed && !proves
}

// settle keeps the answer of a request and queues it for the application. The request is looked at
// again: another answer may have come, or its time may have ended, while the proof was checked.
func (s *socket) settle(q *request, frame []byte) {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.settled || !time.Now().Before(q.expire) {
		r.counters.LateAnswers++
		return
	}
	r.store.settle(q, frame, s)
	r.counters.Answered++
	if q.app != nil {
		q.app.noteAnsweredLocked(q.account)
		if s.own.Load() {
			q.app.trusted.Store(true)
			q.app.noStrangerLocked()
		}
		q.app.push(item{request: q, answer: true})
	}
}

// attach sends the answer of a request to this connection instead of the one that asked (HAS §11.2,
// 6). Whoever knows the uuid may attach: uuids cannot be guessed, and answers are sealed for the
// application.
func (s *socket) attach(m protocol.AttachReq, now time.Time) {
	r := s.relay
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
