package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// startRegister works on a register_req beside the frames that follow it, since keys may have to be
// looked up. The first one of a connection is worked on before anything else is read: once it is
// through, the connection may send at the rate of a wallet, and a wallet of many accounts sends
// many of these at once.
func (r *Relay) startRegister(ctx context.Context, s *socket, m protocol.RegisterReq, in arrival) {
	if !r.isWallet(s) {
		defer in.release()
		r.register(ctx, s, m, in.at)
		return
	}
	select {
	case r.registers <- struct{}{}:
	case <-ctx.Done():
		in.release()
		return
	}
	s.tasks.Go(func() {
		defer func() { <-r.registers }()
		defer in.release()
		r.register(ctx, s, m, in.at)
	})
}

// register judges each account by itself, unless the configuration says that one bad account spoils
// the message.
func (r *Relay) register(ctx context.Context, s *socket, m protocol.RegisterReq, arrived time.Time) {
	if r.options.WholeRegistration {
		for _, account := range m.Accounts {
			if refusal := r.mayRegister(ctx, s, account, arrived); refusal != "" {
				s.reply(protocol.ErrorMessage{Text: refusal})
				s.punish(ctx)
				return
			}
		}
	}
	for _, account := range m.Accounts {
		if s.awaitRoom(ctx) != nil {
			return
		}
		refusal := ""
		if !r.options.WholeRegistration {
			refusal = r.mayRegister(ctx, s, account, arrived)
		}
		if refusal == "" {
			refusal = r.enroll(s, hive.AccountName(account.Name))
		}
		if refusal != "" {
			s.reply(protocol.ErrorMessage{Text: refusal})
			s.punish(ctx)
		}
	}
}

// mayRegister returns why the account is not registered, naming it, or nothing if it may be.
func (r *Relay) mayRegister(ctx context.Context, s *socket, a protocol.RegisterAccount,
	arrived time.Time) (refusal string) {
	name, err := hive.ParseAccountName(a.Name)
	if err != nil {
		return r.refuse(s, fmt.Sprintf("%.32q", a.Name), textNoName, err)
	}
	if r.options.Keys == nil {
		return ""
	}
	keys, err := r.prover.keysOf(ctx, name, time.Now())
	switch {
	case errors.Is(err, ErrNoAccount):
		return r.refuse(s, a.Name, textNoAccount, err)
	case err != nil:
		return r.refuse(s, a.Name, textNoLookup, err)
	case r.options.NoProof:
		return ""
	}
	proof := a.PoK
	if proof == "" {
		proof = a.Challenge // protocol 0.8
	}
	if err := r.prover.checkTime(proof, keys, arrived); err != nil {
		return r.refuse(s, a.Name, textProof, err)
	}
	return ""
}

func (r *Relay) refuse(s *socket, account, text string, err error) (refusal string) {
	r.count(func(c *Counters) { c.Refused++ })
	r.log.Debug("registration refused", "socket", s.id, "account", account, "err", err)
	return text + ": " + account
}

// enroll registers an account on the connection and queues its acknowledgement and what waits for
// it, oldest first.
func (r *Relay) enroll(s *socket, name hive.AccountName) (refusal string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.gone {
		return ""
	}
	if _, again := s.accounts[name]; again {
		s.reply(protocol.RegisterAck{Account: string(name)})
		return ""
	}
	if len(s.accounts) >= r.options.Limits.WalletRegistrations || r.registered >= r.options.Limits.Registrations {
		r.counters.OverLimit++
		return textRegisterMax + ": " + string(name)
	}
	a := r.store.account(name)
	a.wallets[s] = struct{}{}
	s.accounts[name] = struct{}{}
	r.registered++
	r.counters.Registered++
	s.reply(protocol.RegisterAck{Account: string(name)})
	for e := a.pending.Front(); e != nil; e = e.Next() {
		s.push(item{request: e.Value.(*request)})
	}
	return ""
}
