package link

import (
	"context"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// Other rates count at once: what a large burst has left over is no credit for a small one.
func TestSetRates(t *testing.T) {
	l, err := New(Options{URL: "wss://relay.test", Handler: func(context.Context, Delivery) {},
		LinkRate: Rate{PerSecond: 1000, Burst: 2000}, AccountRate: Rate{PerSecond: 100, Burst: 200}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	e := &entry{}
	l.accounts["alice"] = e
	e.limit.spend(now, l.options.AccountRate, 1)
	l.SetRates(Rate{PerSecond: 1, Burst: 2}, Rate{PerSecond: 1, Burst: 2})
	spent := 0
	for e.limit.spend(now, l.options.AccountRate, 1) {
		spent++
	}
	if spent != 2 || l.options.BusyRate != (Rate{PerSecond: 0.5, Burst: 1}) || l.options.LinkRate.Burst != leastBurst {
		t.Errorf("%d tokens, %+v, %+v", spent, l.options.BusyRate, l.options.LinkRate)
	}
}

// A pinned key is another relay's to have once nobody pins it, and so are keys of a relay that is
// left; but not those of a relay that a newer link goes on with.
func TestKeysOfALeftRelay(t *testing.T) {
	keys := new(Keys)
	at := func(url string) *Link {
		l, err := New(Options{URL: url, Handler: func(context.Context, Delivery) {}, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, again, b := at("wss://a.test"), at("wss://a.test"), at("wss://b.test")
	key, now := hive.PrivateKeyFromPassword("relay", hive.Memo, "password").Public(), time.Now()
	keys.Reserve(key, a.URL())
	keys.Reserve(key, a.URL())
	keys.Unreserve(key, a.URL())
	if keys.claim(key, b, now) == "" {
		t.Error("one of two reservations is enough")
	}
	keys.Unreserve(key, a.URL())
	if of := keys.claim(key, b, now); of != "" {
		t.Errorf("reserved for %s", of)
	}
	keys.Forget(b.URL())
	if of := keys.claim(key, a, now); of != "" {
		t.Errorf("kept for %s", of)
	}
	keys.claim(key, again, now)
	keys.release(key, a, now)
	if keys.claim(key, b, now.Add(2*keyKept)) == "" {
		t.Error("the end of the older link gave the newer one's key away")
	}
}
