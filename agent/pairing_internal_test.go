package agent

import (
	"fmt"
	"testing"
	"time"

	"pksa/protocol"
	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

func waits(account string, n int) delivered {
	return delivered{msg: protocol.Request{
		Kind: protocol.Auth, Account: hive.AccountName(account),
		UUID: protocol.UUID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n)),
	}}
}

// What has expired goes, whether or not more comes for its account; links as well.
func TestHeldExpires(t *testing.T) {
	now := time.Now()
	var p pairings
	for i := range 10 {
		d := waits(fmt.Sprintf("account%d", i), i)
		p.hold(d, now.Add(time.Duration(1+i%2)*time.Minute), now)
	}
	link := protocol.PairingLink{Account: "account0", UUID: waits("account0", 99).msg.UUID}
	p.offer(&pairing{link: secret.Hide(link), until: now.Add(time.Minute)}, now)
	if out := p.expire(now.Add(90 * time.Second)); len(out) != 5 || len(p.held) != 5 || len(p.links) != 0 {
		t.Errorf("%d put out, %d accounts and %d links left", len(out), len(p.held), len(p.links))
	}
	if _, here := p.take(pairKey{"account1", waits("", 1).msg.UUID.Key()}); !here {
		t.Error("one that is left is not found")
	}
	if out := p.expire(now.Add(time.Hour)); len(out) != 4 || p.bytes != 0 || len(p.held) != 0 {
		t.Errorf("%d put out, %d bytes left for %d accounts", len(out), p.bytes, len(p.held))
	}
}

// Logins that expired before their link came are remembered up to a number: the oldest is
// forgotten.
func TestLapsedLogins(t *testing.T) {
	now := time.Now()
	for _, n := range []int{1023, 1024, 1025} {
		var p pairings
		for i := range n {
			p.hold(waits(fmt.Sprint("account", i), i), now.Add(time.Minute), now)
			p.expire(now.Add(time.Minute)) // one by one: these are the oldest first
		}
		key := func(i int) pairKey {
			return pairKey{hive.AccountName(fmt.Sprint("account", i)), waits("", i).msg.UUID.Key()}
		}
		if len(p.lapsed) != min(n, 1024) || p.hasLapsed(key(0)) != (n <= 1024) || !p.hasLapsed(key(1)) ||
			!p.hasLapsed(key(n-1)) {
			t.Errorf("of %d logins %d are remembered, the first: %t, the last: %t", n, len(p.lapsed),
				p.hasLapsed(key(0)), p.hasLapsed(key(n-1)))
		}
	}
}
