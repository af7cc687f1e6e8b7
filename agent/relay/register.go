package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// startRegister works on a register_req beside the frames that follow it, because keys may have to
// be looked up. The first ones of a connection are worked on before anything else is read: once
// they are through, the connection may send at the rate of a wallet, and a wallet of many accounts
// sends many of these at once.
func (s *socket) startRegister(ctx context.Context, m protocol.RegisterReq, in arrival) {
	if !s.beginBeside(ctx) {
		defer in.release()
		s.register(ctx, m, in.at)
		return
	}
	// The places are shared by all connections. While none is free this connection is not read, so
	// that registrations that wait cost nobody's memory.
	select {
	case s.relay.registers <- struct{}{}:
	case <-ctx.Done():
		s.endBeside()
		in.release()
		return
	}
	s.tasks.Go(func() {
		defer s.endBeside()
		defer func() { <-s.relay.registers }()
		defer in.release()
		s.register(ctx, m, in.at)
	})
}

// register judges each account by itself, unless [Options.WholeRegistration] makes one bad account
// spoil the message. arrived is when the frame had been read: the time that a proof names is
// compared with that, however long the accounts before it took.
func (s *socket) register(ctx context.Context, m protocol.RegisterReq, arrived time.Time) {
	whole := s.relay.options.WholeRegistration
	if whole {
		for _, account := range m.Accounts {
			if refusal := s.mayRegister(ctx, account, arrived); refusal != "" {
				s.refuseAccount(ctx, refusal)
				return
			}
		}
	}
	for _, account := range m.Accounts {
		// One frame can hold thousands of accounts, and each has a reply: without room for it,
		// wait.
		if s.awaitRoom(ctx) != nil {
			return
		}
		refusal := ""
		if !whole {
			refusal = s.mayRegister(ctx, account, arrived)
		}
		if refusal == "" {
			refusal = s.enroll(hive.AccountName(account.Name), account.PoK != "")
		}
		if refusal != "" {
			s.refuseAccount(ctx, refusal)
		}
	}
}

// refuseAccount sends the wallet the reason why an account is not registered, and makes it wait.
func (s *socket) refuseAccount(ctx context.Context, refusal string) {
	s.reply(protocol.ErrorMessage{Text: refusal})
	s.relay.mu.Lock()
	s.failed++
	s.relay.mu.Unlock()
	s.punish(ctx)
}

// mayRegister returns why the account is not registered, with its name, or nothing if it may be.
func (s *socket) mayRegister(ctx context.Context, a protocol.RegisterAccount, arrived time.Time) (refusal string) {
	r := s.relay
	name, err := hive.ParseAccountName(a.Name)
	if err != nil {
		return s.refusal(fmt.Sprintf("%.32q", a.Name), textNoName, err)
	}
	if r.options.Keys == nil {
		return ""
	}
	keys, err := r.prover.keysOf(ctx, name, time.Now(), s.turnFor(name))
	switch {
	case errors.Is(err, ErrNoAccount):
		return s.refusal(a.Name, textNoAccount, err)
	case err != nil:
		return s.refusal(a.Name, textNoLookup, err)
	case r.options.NoProof:
		return ""
	}
	proof := a.PoK
	if proof == "" {
		proof = a.Challenge // protocol 0.8
	}
	spent, err := r.prover.checkTime(proof, keys, arrived)
	if err == nil && !s.serves(name) && !r.spent.spend(name, spent, arrived) {
		err = errProofSpent
	}
	if err != nil {
		return s.refusal(a.Name, textProof, err)
	}
	return ""
}

// serves reports whether an account is registered on this connection.
func (s *socket) serves(name hive.AccountName) bool {
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	_, ok := s.accounts[name]
	return ok
}

// refusal counts and logs a registration that is refused, and returns what the wallet is told. What
// is wrong with a proof is for the log only: a stranger could learn from it.
func (s *socket) refusal(account, text string, err error) string {
	s.relay.count(func(c *Counters) { c.Refused++ })
	s.relay.log.Debug("registration refused", "socket", s.id, "account", account, "err", err)
	return text + ": " + account
}

// enroll registers an account on the connection and queues its acknowledgement and the requests
// that wait for it, strangers' only up to their rate. A connection that registers one account with
// a proof of protocol 1 proves each of its answers.
func (s *socket) enroll(name hive.AccountName, proves bool) (refusal string) {
	r := s.relay
	own := r.options.Known(name) // without the lock: it is foreign code
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.gone { // it ended while keys were looked up, and must not be found by requests any more
		return ""
	}
	s.proves = s.proves || proves
	if own {
		s.own.Store(true)
		s.noStrangerLocked()
	}
	if _, again := s.accounts[name]; again {
		s.reply(protocol.RegisterAck{Account: string(name)})
		return ""
	}
	limits, known := r.options.Limits, r.store.accounts[name]
	// Each request is written to every wallet of its account, so there must be few.
	if len(s.accounts) >= limits.WalletRegistrations || r.registered >= limits.Registrations ||
		known != nil && len(known.wallets) >= limits.AccountWallets {
		r.counters.OverLimit++
		return textRegisterMax + ": " + string(name)
	}
	a := r.store.account(name)
	if a.wallets == nil {
		a.wallets = make(map[*socket]struct{}, 1)
	}
	a.wallets[s] = struct{}{}
	s.accounts[name] = struct{}{}
	s.wallet.Store(true)
	r.registered++
	r.counters.Registered++
	// Under the lock, so that no request that comes now can overtake the acknowledgement, or be
	// queued twice or not at all.
	s.reply(protocol.RegisterAck{Account: string(name)})
	s.deliverWaitingLocked(a, time.Now())
	return ""
}
