package agent

import (
	"errors"
	"strings"

	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/keystore"
	"pksa/protocol/hive"
)

// registerAll sets at every link the accounts that it serves: those of which a key is held. Proofs
// are made with the lowest key of each that fits its account.
func (a *Agent) registerAll() error {
	a.reloads.Lock()
	defer a.reloads.Unlock()
	store := a.keys
	var accounts []link.Account
	for _, name := range store.Accounts() {
		key, ok := a.provingKey(name)
		if !ok {
			continue
		}
		accounts = append(accounts, link.Account{Name: name, KeyType: key.Role(), Prove: func(relay hive.PublicKey,
			text string) (string, error) {
			// The link passes the text with the sign of an encrypted memo, and the keystore sets it
			// itself.
			return key.Prove(relay, strings.TrimPrefix(text, "#"))
		}})
	}
	var errs []error
	for _, l := range a.links {
		errs = append(errs, l.SetAccounts(accounts))
	}
	return errors.Join(errs...)
}

// relayKeyRefused raises the alarm about a relay that was refused because of its key.
func (a *Agent) relayKeyRefused(refusal *link.KeyError) {
	what, content := alarmPinnedKey, map[string]any{"relay": refusal.Relay, "key": refusal.Key.String()}
	if refusal.Of != "" {
		what, content["same_key_as"] = alarmRelayKey, refusal.Of
	} else {
		content["pinned"] = refusal.Pinned.String()
	}
	content["reason"] = what
	a.metrics.Alarm(what)
	a.noteEvent(eventAlarm, ledger.Entry{}, content)
	a.log.Error("alarm: "+what, "relay", refusal.Relay, "err", refusal, "hint", refusal.Advice())
}

// reserveOwnKey keeps the key of the relay that runs in this process for the links that lead to it.
// It does nothing if none does: then the wallet may reach it by another name, through a proxy.
func (a *Agent) reserveOwnKey(text string) {
	key, err := hive.ParsePublicKey(text)
	if err != nil {
		return
	}
	for _, l := range a.links {
		if a.config.OwnRelay(l.URL()) {
			a.relayKeys.Reserve(key, l.URL())
		}
	}
}

// provingKey returns the lowest key of the account that the chain still knows in its role, as far
// as that was compared.
func (a *Agent) provingKey(account hive.AccountName) (*keystore.Key, bool) {
	for _, role := range a.keys.Roles(account) {
		// The signing key of a witness is no key of its account.
		if role != hive.Signing && !a.mismatch.has(account, role) {
			return a.keys.Key(account, role)
		}
	}
	return nil, false
}
