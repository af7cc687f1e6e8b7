package relay_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/protocol/hive"
)

// TestMemoryUnderFlood: many connections ask for many accounts with big payloads. What is kept
// stays below the limit, and nothing is left when it has expired.
func TestMemoryUnderFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	synctest.Test(t, func(t *testing.T) {
		const limit = 8 << 20
		s := start(t, relay.Options{NoProof: true, Limits: relay.Limits{Bytes: limit}})
		before := heap()
		refused := 0
		data := strings.Repeat("d", 100_000)
		for i := range 20 {
			app := dial(t, s)
			for j := range 40 {
				app.send(message{"cmd": "sign_req", "account": fmt.Sprintf("acc%d-%d", i, j), "data": data})
				if app.next().text("cmd") == "error" {
					refused++
				}
			}
			if got := s.Relay().Status().Bytes; got > limit {
				t.Fatalf("%d bytes are kept", got)
			}
		}
		if refused == 0 {
			t.Error("80 MB were taken")
		}
		if grown := heap() - before; grown > 6*limit {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := s.Relay().Status(); got.Bytes != 0 || got.Requests != 0 || got.Accounts != 0 || got.Pending != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRegister measures one registration with its proof, among 10,000 accounts of one wallet.
func BenchmarkRegister(b *testing.B) {
	const accounts = 10_000
	all := map[hive.AccountName][]hive.PublicKey{}
	names := make([]string, accounts)
	keyOf := make([]*hive.PrivateKey, accounts)
	for i := range accounts {
		names[i] = fmt.Sprintf("acc%d", i)
		keyOf[i] = hive.PrivateKeyFromSeed("relay benchmark/" + names[i])
		all[hive.AccountName(names[i])] = []hive.PublicKey{keyOf[i].Public()}
	}
	s := start(b, relay.Options{Keys: relay.FixedKeys(all), Limits: relay.Limits{AppFrames: 1 << 30,
		WalletFrames: 1 << 30}})
	p := dial(b, s)
	p.relayKey()
	for b.Loop() {
		b.StopTimer()
		i := int(s.Relay().Status().Counters.Registered) % accounts
		if i == 0 && len(p.hears) == 0 {
			p.close()
			p = dial(b, s)
			p.relayKey()
		}
		frame := registration(names[i], p.timeProof(keyOf[i]))
		b.StartTimer()
		p.send(frame)
		p.expect("register_ack")
	}
}
