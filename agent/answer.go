package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/agent/policy"
	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
	"pksa/protocol/seal"
)

// Only three things are ever sealed for an application: the request's uuid, whose form the decoder
// checked, one of the fixed texts of package protocol (with our own transaction id behind one of
// them), and the answer payloads of login, text and the application's own transaction, whose member
// sets no request shares (HAS §13.2). Whatever is added here must keep to that: a sealed text that
// an outsider can steer is a forged request.

// sealFor seals clear under the session key of the run, as a part of the answer m that names the
// request, its own kind, and text: the reason of a nack, otherwise what is sealed.
func (r *run) sealFor(m protocol.Answer, text, clear string) string {
	salt := seal.Binding(r.authKey.Reveal(), r.digest, m.Cmd(), text)
	return seal.Seal(r.authKey.Reveal(), []byte(clear), salt)
}

// exactAck makes the answer for a transaction that the application made. Id, signatures and
// positions are computed here, accounts are those of the transaction, and weights are numbers:
// nobody chooses a letter of what is sealed but that of an account's name.
func (r *run) exactAck(data *protocol.SignAckData, broadcast bool) protocol.Answer {
	clear, err := data.Encode()
	if err != nil {
		return r.doubt(protocol.TextInternal) // unreachable: a transaction has a signature, and few
	}
	ack := protocol.Ack{Kind: protocol.Sign, UUID: r.msg.UUID}
	return protocol.SealedAck(r.msg.UUID, r.sealFor(ack, string(clear), string(clear)), broadcast)
}

// payload is one of the two answer payloads of other kinds.
type payload interface{ Encode() ([]byte, error) }

// acknowledge answers an admitted request with a sealed payload.
func (a *Agent) acknowledge(ctx context.Context, g granted, outcome string, answer payload) {
	r := g.run
	clear, err := answer.Encode()
	if err != nil {
		// Not a nack: what was asked is done already, a session was made or a text signed.
		a.finish(ctx, g, ending{outcome: "failed", reason: err.Error(), answer: r.doubt(protocol.TextInternal),
			failed: true})
		return
	}
	ack := protocol.Ack{Kind: r.msg.Kind, UUID: r.msg.UUID}
	ack.Data = []byte(r.sealFor(ack, string(clear), string(clear)))
	a.finish(ctx, g, ending{outcome: outcome, answer: ack})
}

// nack makes the answer to a request that was not carried out and never will be: the caller has
// committed what makes sure of that. The reason is one of the closed list of package protocol. The
// applications in the wild act on a nack and not on an err (HAS §4.4), so only an app for which the
// operator has said so gets the documented form. Policy, a key that is not held and a person's no
// all have the same reason, so that nobody can find out which keys are held (HAS §13.5).
func (r *run) nack(reason string) protocol.Answer {
	if r.documented {
		return r.doubt(reason)
	}
	m := protocol.Nack{Kind: r.msg.Kind, UUID: r.msg.UUID, Error: reason}
	m.Data = r.sealFor(m, reason, string(r.msg.UUID))
	return m
}

// doubt makes the answer to a request of which nothing is promised: a nack would invite its
// application to ask once more for what was perhaps done. The text of an auth_err is plain by
// custom of the clients (HAS §4.3), and always the same.
func (r *run) doubt(text string) protocol.Answer {
	m := protocol.Err{Kind: r.msg.Kind, UUID: r.msg.UUID, Error: protocol.TextAuthFailed}
	if m.Kind != protocol.Auth {
		m.Error = r.sealFor(m, text, text)
	}
	return m
}

// uncertain makes the answer that nobody knows yet whether the transaction is on the chain. The id
// is ours, computed from bytes that we serialised.
func (r *run) uncertain(id hive.TxID) protocol.Answer {
	return r.doubt(uncertainText(id))
}

func uncertainText(id hive.TxID) string { return protocol.TextBroadcastUncertain + " " + id.String() }

// encode turns an answer into what the ledger keeps: the frame without proof of key. Nil stays nil:
// the recorded decision to say nothing.
func encode(m protocol.Answer) ([]byte, error) {
	if m == nil {
		return nil, nil
	}
	return protocol.Encode(m)
}

// send writes an answer to the newest connection of the relay that delivered the request, with a
// fresh proof of key. If there is no connection now, nothing is lost: the relay delivers the
// request again once the account is registered, and the ledger has the answer.
func (a *Agent) send(ctx context.Context, d delivered, m protocol.Answer) {
	if m == nil || d.link == nil { // nothing to say, or our own request
		return
	}
	if !a.ledger.Leads() {
		// Another copy may have answered by now. If none has, this one is asked again.
		a.log.Warn("answer kept: the lease of the ledger has ended", d.attrs()...)
		return
	}
	err := d.link.Answer(ctx, d.msg.Account, m)
	switch {
	case errors.Is(err, link.ErrNotConnected):
		a.log.Debug("answer kept until the relay asks again", d.attrs()...)
	case err != nil:
		a.log.Warn("answer not sent", append(d.attrs(), "err", err)...)
	}
}

// resend sends what the ledger has recorded for a request that came again.
func (a *Agent) resend(ctx context.Context, d delivered, recorded []byte) {
	if recorded == nil {
		return
	}
	m, err := protocol.DecodeForApp(recorded)
	if err != nil {
		a.alarm(alarmRecorded, append(d.attrs(), "err", err)...)
		return
	}
	answer, ok := protocol.AnswerOf(m)
	if !ok {
		a.alarm(alarmNoAnswer, append(d.attrs(), "cmd", m.Cmd())...)
		return
	}
	// The ledger knows the uuid in lower case only. It is echoed as this delivery spells it (HAS
	// §12).
	a.send(ctx, d, answer.WithUUID(d.msg.UUID))
}

// settle records the outcome of a judged request together with its answer, and then answers. In
// this order: a connection that comes up in between finds the answer in the ledger.
func (a *Agent) settle(ctx context.Context, g granted, s ledger.Settlement, m protocol.Answer) {
	r := g.run
	frame, err := encode(m)
	if err != nil {
		a.alarm(alarmEncoding, append(r.attrs(), "err", err)...)
		m = r.doubt(protocol.TextInternal) // what was asked may be done already
		frame, _ = encode(m)
	}
	s.Answer = frame
	// On disk: the ruling, no outcome. What happened is known in memory only, and the next start
	// finds it out again.
	crashpoint("settling")
	// Settle does not wait for the disk. What permitted the effect is there already; a crash here
	// loses only the outcome, and the next start looks it up or reports the request as cut off.
	if err := a.ledger.Settle(g.number, s); err != nil {
		a.log.Error("outcome not recorded", append(r.attrs(), "number", g.number, "err", err)...)
	}
	// On disk: the same, unless a commit has just run. From here on the ledger answers whoever
	// asks.
	crashpoint("settled")
	a.send(ctx, r.delivered, m)
	// On disk: perhaps still the ruling alone, although the application may have its answer.
	crashpoint("sent")
}

// reject answers a request that opened but never came to a decision: damaged, or no payload of its
// kind. One commit uses up its nonce or digest and has the answer: what is invalid today must not
// be carried out by a later version, after its application was told that nothing was done.
func (a *Agent) reject(ctx context.Context, r *run, outcome, reason string) {
	var m protocol.Answer
	var brief *short
	one := audit.Denial{Kind: r.msg.Kind.String(), Result: "failed", Code: policy.CodeInvalid}
	admission := a.admission(r, protocol.NonceOf(r.clear))
	admission.Garbled = len(r.clear) == 0 || protocol.Garbled(r.clear)
	result, err := a.ledger.Admit(ctx, admission, func(v ledger.View) ledger.Ruling {
		ruling := ledger.Ruling{Rejected: outcome, Record: failedRecord(r, reason)}
		switch {
		case v.Replay == ledger.DigestSeen:
			m = a.again(r)
		case tells(v.Replay):
			m = r.nack(protocol.TextInvalid)
		}
		var err error
		if ruling.Answer, err = encode(m); err != nil {
			a.alarm(alarmEncoding, append(r.attrs(), "err", err)...)
			m = nil
		}
		brief = a.sumUp(r, one, &ruling, func() protocol.Answer { return m })
		return ruling
	})
	if err != nil {
		a.notAdmitted(ctx, r, err)
		return
	}
	// On disk: the refusal with its answer. Whoever delivers the request again gets it.
	crashpoint("denied")
	a.metrics.Request(r.msg.Kind.String(), "failed", outcome, time.Since(r.arrived))
	level := slog.LevelWarn
	if brief != nil {
		level = slog.LevelDebug // the sum has a line
	}
	a.log.Log(ctx, level, "request failed", append(r.attrs(), "outcome", outcome, "reason",
		plain.Cut(reason, maxLogged))...)
	a.countShort(r, brief, result.Number)
	a.send(ctx, r.delivered, m)
}

// denial returns what a denied request comes to, in short.
func (r *run) denial(j judged) audit.Denial {
	one := audit.Denial{Kind: r.msg.Kind.String(), Result: "failed", Code: audit.CodeUnavailable}
	if j.refusal != nil {
		one.Result, one.Code = "refused", j.refusal.code
		if r.silent(j) {
			one.Result = "ignored"
		}
	}
	return one
}

// answerTo returns the answer to a denied request; nil if there is none.
func (a *Agent) answerTo(r *run, j judged) protocol.Answer {
	switch {
	case j.refusal == nil:
		return r.nack(j.obstacle.text)
	case j.refusal.code == policy.CodeNonce && r.silent(j):
		if j.replay == ledger.DigestSeen {
			return a.again(r)
		}
		return nil
	case j.refusal.code == policy.CodeNonce:
		return r.nack(protocol.TextNonce)
	case j.refusal.code == policy.CodeUnsupported:
		return r.nack(protocol.TextNotSupported)
	case r.silent(j):
		return nil
	case j.refusal.code == policy.CodeClock, j.refusal.code == audit.CodeBusy, j.refusal.code == audit.CodePaused:
		return r.nack(protocol.TextBusy)
	}
	return r.nack(protocol.TextRefused)
}

// again returns the answer to a copy of a judged request: what is recorded for that, sealed for the
// uuid of the copy. It returns nil while there is none, and for an auth_req (HAS §9.4). A copy
// never gets an answer of its own: the relay names the uuids on both sides, and could give that in
// place of the answer to the request.
func (a *Agent) again(r *run) protocol.Answer {
	recorded, err := a.ledger.AnswerTo(r.digest)
	if err != nil {
		a.log.Error("answer to a request not read", append(r.attrs(), "err", err)...)
	}
	if recorded == nil || r.msg.Kind == protocol.Auth {
		return nil
	}
	m, err := protocol.DecodeForApp(recorded)
	answer, ok := protocol.AnswerOf(m)
	if err != nil || !ok || answer.RequestKind() != r.msg.Kind {
		return nil
	}
	if nack, ok := answer.(protocol.Nack); ok {
		return r.nack(nack.Error)
	}
	return answer.WithUUID(r.msg.UUID)
}

const (
	// recheckAfterRefusal is the least time between two comparisons of the keys that relays cause:
	// a hostile one must not make this wallet ask the nodes without end.
	recheckAfterRefusal = time.Minute
	// maxRefusedNamed is how many answers one record names.
	maxRefusedNamed = 8
)

// answerRefused records that a relay refused an answer, whose outcome the trail already has as
// given, and has the keys compared with the chain: the usual reason is a key that was changed
// there. The relay keeps the request, so that the answer can be given again with another key.
func (a *Agent) answerRefused(relay, text string, sent []link.SentAnswer) {
	var uuids []string
	var requests []uint64 // so that who reads about one of them finds this record
	for _, s := range sent[max(0, len(sent)-maxRefusedNamed):] {
		uuids = append(uuids, string(s.UUID))
		if n := a.ledger.NumberOf(ledger.RequestKey{Relay: relay, UUID: s.UUID.Key()}); n != 0 {
			requests = append(requests, n)
		}
	}
	e := ledger.Entry{}
	if len(sent) == 1 {
		e.Account = string(sent[0].Account)
	}
	// By the relay's word only. It names no request: of several answers it may be any.
	a.noteEvent(audit.AnswerRefused, e, map[string]any{"relay": relay, "text": text, "uuids": uuids,
		"requests": requests,
		"certain":  len(sent) == 1})
	a.recheckKeys()
}

// recheckKeys has the keys compared with the chain because a relay did not take a proof of one.
func (a *Agent) recheckKeys() {
	now := time.Now().UnixNano()
	if last := a.refusedAt.Load(); now-last >= int64(recheckAfterRefusal) && a.refusedAt.CompareAndSwap(last, now) {
		a.checkKeysSoon()
	}
}
