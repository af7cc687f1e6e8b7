package link

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// register sends the registrations that the registry decides on, until the connection ends.
func (l *Link) register(live context.Context, c *connection) {
	for {
		e, account, wait := l.nextRegistration()
		if e == nil {
			if !sleep(live.Done(), l.wake, wait) {
				return
			}
			continue
		}
		err := c.send(live, func() ([]byte, error) { return l.registration(account, c.key) })
		// A lost connection says nothing of the account: the next one registers all of them.
		if live.Err() != nil || errors.Is(err, ErrNotConnected) {
			return
		}
		l.recordSent(e, err)
	}
}

// registration returns a register_req for one account, in both forms (HAS §4.2). Its proof is good
// for 10 s, so it is made when it is this frame's turn to be written.
func (l *Link) registration(a Account, relay hive.PublicKey) ([]byte, error) {
	proof, err := a.Prove(relay, "#"+strconv.FormatInt(time.Now().UnixMilli(), 10))
	if err != nil {
		return nil, err
	}
	return protocol.Encode(protocol.RegisterReq{App: l.options.App, Accounts: []protocol.RegisterAccount{
		{Name: string(a.Name), PoK: proof, KeyType: a.KeyType.String(), Challenge: proof},
	}})
}

// nextRegistration returns the account to register now, or the time to wait.
func (l *Link) nextRegistration() (e *entry, a Account, wait time.Duration) {
	l.changeRegistry(func(now time.Time) {
		if e, wait = l.reg.next(now); e != nil {
			a = e.account
		}
	})
	return e, a, wait
}

// recordSent records that the frame of a registration was sent, or not. An error comes from the
// account's own key: the account then waits like one that the relay has refused.
func (l *Link) recordSent(e *entry, err error) {
	l.changeRegistry(func(now time.Time) {
		if err == nil {
			l.reg.sent(e, now)
			// The acknowledgement is one more frame. Without this a wallet of many accounts would
			// use up the rate of its link by registering.
			l.limit.credit(now, l.options.LinkRate)
		} else if e.state == outstanding {
			l.reg.fail(e, clip(reasonProof+err.Error()), now)
			l.reg.streak++
		}
	})
}

// handleAck records a register_ack. One for an account that was not asked for on this connection is
// dropped: a relay cannot register accounts by itself.
func (l *Link) handleAck(account string) {
	first, done := false, 0
	l.changeRegistry(func(now time.Time) {
		e := l.accounts[hive.AccountName(account)]
		if gone := l.reg.sentFor(account); gone != nil && gone != e { // it was removed meanwhile
			l.reg.leave(gone)
			if e == nil || !e.wasAsked { // else it is back, and a relay takes one registration of an account
				return
			}
		}
		if e == nil || !l.reg.acknowledged(e) {
			l.facts.drops[DropUnexpected]++
			return
		}
		if l.facts.servedAt.IsZero() {
			l.facts.servedAt, first = now, true
		}
		if l.reg.count == len(l.accounts) {
			l.facts.relayError = "" // what it was about is over
		}
		if l.reg.count == len(l.accounts) || l.reg.count%logRegistered == 0 {
			done = l.reg.count
		}
	})
	if first {
		l.log.Info("registered", "account", account)
		l.options.Registered()
	}
	if done > 1 {
		l.log.Info("accounts registered", "registered", done, "of", l.accountCount())
	}
	l.wakeRegistrar()
}

// logRegistered is after how many registered accounts the log says how far it is.
const logRegistered = 1000

// accountCount returns how many accounts are to be registered.
func (l *Link) accountCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accounts)
}

// handleError records an `error` of the relay, which is never answered (HAS §4.1). It may be about
// a registration: the registry decides about which. If none is outstanding, it may be about an
// answer.
func (l *Link) handleError(text string) {
	if text == protocol.TextAnsweredElsewhere {
		l.options.AnsweredElsewhere() // not about a registration, whatever is outstanding
		return
	}
	text = clip(text)
	var outstanding int
	var sent []SentAnswer
	l.changeRegistry(func(now time.Time) {
		l.facts.RelayErrors++
		l.facts.relayError, l.facts.relayErrorAt = text, now
		if outstanding = len(l.reg.out); outstanding == 0 {
			sent = l.claimSentLocked(now)
		}
		l.reg.refused(text, l.accounts[hive.AccountName(nameIn(text))], now)
	})
	if l.mayLogFault() {
		l.log.Warn("relay sent an error", "text", plain.Quote(text, 200), "registrations", outstanding, "answers",
			len(sent))
		if len(sent) > 0 {
			l.options.AnswerRefused(text, sent)
		}
	}
	l.wakeRegistrar()
}

// changeRegistry makes a change under the lock, and then logs the accounts that failed by it. It
// logs without the lock: a slow log must not hold up the reading of frames.
func (l *Link) changeRegistry(change func(now time.Time)) {
	l.mu.Lock()
	change(time.Now())
	failed := l.reg.failed
	l.reg.failed = nil
	l.facts.Refusals += uint64(len(failed))
	hint := l.reg.hint()
	if hint == l.facts.hinted {
		hint = ""
	} else {
		l.facts.hinted = hint
	}
	l.mu.Unlock()

	for _, f := range failed {
		l.logFailure(f)
	}
	if hint != "" {
		l.log.Warn(hint)
	}
}

// logFailure logs an account that could not be registered: as a warning the first time, because it
// will be tried again for ever.
func (l *Link) logFailure(f failure) {
	log := l.log.Warn
	if f.tries > 1 {
		log = l.log.Debug
	}
	log("account not registered", "account", f.account, "reason", plain.Quote(f.reason, 200),
		"tries", f.tries, "retry", f.retry.Round(time.Second))
}

// wakeRegistrar makes register look at the registry again. It never waits: one token is enough for
// any number of changes.
func (l *Link) wakeRegistrar() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// What a person might do about a relay that refuses one registration after the other, by the reason
// that it gives.
const (
	// A relay compares the time in a proof with its own clock, and allows 10 seconds.
	hintClock = "the relay keeps refusing proofs of key: check the clock of this machine, and the keys with " +
		"`pksa keys check`"
	hintLookup = "the relay cannot look up the keys of the accounts, because no Hive API node answers it; the clock " +
		"and the keys of this wallet are not the reason. It is asked again by itself"
	hintNoAccount = "the relay does not find the account on its chain: is the name right, and does the relay " +
		"serve the " +
		"same network (setting network)?"
	hintSilence = "the relay takes connections and does not answer registrations: is its address that of a HiveAuth " +
		"relay? It is asked again by itself"
	hintOwnKey = "no proof of key can be made with the keys that are held: `pksa keys check` compares them with the " +
		"chain"
	hintOther = "the relay keeps refusing registrations, for the reason that it gives; if that is the proof of key, " +
		"check the clock of this machine"
)

// hint returns what a person might do; empty while there were few refusals in a row.
func (r *registry) hint() string {
	if r.streak < streakHint {
		return ""
	}
	cause := strings.ToLower(r.cause)
	switch {
	case r.cause == ReasonSilence:
		return hintSilence
	case strings.HasPrefix(r.cause, reasonProof):
		return hintOwnKey
	case strings.HasPrefix(cause, protocol.TextNoLookup):
		return hintLookup
	case strings.HasPrefix(cause, protocol.TextNoAccount):
		return hintNoAccount
	// Other relays have other words for it.
	case strings.Contains(cause, "proof"), strings.Contains(cause, "pok"), strings.Contains(cause, "challenge"):
		return hintClock
	}
	return hintOther
}
