package relay_test

import (
	"testing"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
)

// BenchmarkRequest measures whole requests through the relay over loopback: asked, forwarded,
// answered with a proof of key, delivered. The wallet and the application run here too; the time
// per request includes their work.
func BenchmarkRequest(b *testing.B) {
	for name, inFlight := range map[string]int{"one at a time": 1, "64 in flight": 64} {
		b.Run(name, func(b *testing.B) {
			s, err := relaytest.Start(relaytest.Options{Loopback: true, Relay: relay.Options{Keys: keys, Logger: silent,
				Limits: relay.Limits{AppFrames: 1 << 30, WalletFrames: 1 << 30, AppPending: 1 << 20,
					AccountPending: 1 << 20, Requests: 1 << 30, Bytes: 1 << 30}}})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(s.Close)
			wallet, app := dial(b, s), dial(b, s)
			wallet.register("alice", alice)
			secret, err := alice.SharedSecret(wallet.relayKey())
			if err != nil {
				b.Fatal(err)
			}
			go func() { // ends when the connection does
				for m := range wallet.hears {
					id := m.text("uuid")
					proof, err := secret.EncodeMemo(alice.Public(), wallet.key, "#"+id, 1)
					if err != nil {
						b.Error(err)
						return
					}
					wallet.send(message{"cmd": "sign_ack", "uuid": id, "data": "d", "pok": proof})
				}
			}()
			b.ReportAllocs()
			b.ResetTimer()
			asked, answered := 0, 0
			for answered < b.N {
				for asked < b.N && asked-answered < inFlight {
					app.send(message{"cmd": "sign_req", "account": "alice", "data": "d"})
					asked++
				}
				if app.next().text("cmd") == "sign_ack" {
					answered++
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
