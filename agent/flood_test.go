package agent_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"pksa/protocol/seal"
)

// heap is what lives, in MiB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// undecryptable is a request of random data, as large as asked, that no key opens.
func undecryptable(chance *rand.Rand, cmd string, n, size int) []byte {
	raw := make([]byte, 16+size&^15)
	copy(raw, "Salted__")
	for i := 8; i+8 <= len(raw); i += 8 {
		binary.NativeEndian.PutUint64(raw[i:], chance.Uint64())
	}
	body, err := json.Marshal(map[string]any{
		"cmd": cmd, "account": "alice", "uuid": uuid(n), "expire": time.Now().Add(23 * time.Hour).UnixMilli(),
		"data": base64.StdEncoding.EncodeToString(raw),
	})
	if err != nil {
		panic(err)
	}
	return body
}

// TestFloodMemory floods the agent with distinct requests that nothing opens, large and small, as
// fast as its rates let them in and faster. What it keeps of them is bounded, and less than they
// are, also where it must keep some because a person may still paste the link that opens them; and
// an honest request behind the flood is answered.
func TestFloodMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("measures memory")
	}
	const most = 24 // MiB
	for _, c := range []struct {
		cmd          string
		frames, size int
		pause        time.Duration
	}{
		{cmd: "sign_req", frames: 100, size: 500_000, pause: 60 * time.Millisecond},
		{cmd: "auth_req", frames: 100, size: 500_000, pause: 60 * time.Millisecond},
		{cmd: "auth_req", frames: 20_000, size: 400, pause: 5 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%s of %d", c.cmd, c.size), func(t *testing.T) {
			script := &scriptedClient{}
			within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
				chance := rand.New(rand.NewPCG(1, uint64(c.size)))
				before, peak, total := heap(), 0.0, 0
				for n := range c.frames {
					body := undecryptable(chance, c.cmd, 1000+n, c.size)
					total += len(body)
					script.say(body)
					time.Sleep(c.pause)
					if n%(c.frames/20) == 0 {
						synctest.Wait()
						peak = max(peak, heap())
					}
				}
				synctest.Wait()
				after := heap()
				t.Logf("flood of %d MiB: heap %.1f MiB before, %.1f at the most, %.1f after", total>>20, before,
					peak, after)
				if peak-before > most {
					t.Errorf("the flood takes %.1f MiB", peak-before)
				}
				time.Sleep(time.Minute)
				answer := script.ask(request("auth_req", uuid(1), authKey, `{"app":{"name":"x"}}`))
				if answer != nil {
					t.Errorf("a request that nothing opens was answered with %v", answer)
				}
				w.session(authKey)
				honest := fmt.Sprintf(`{"key_type":"posting","challenge":"hello","decrypt":false,"nonce":%d}`,
					nowNonce())
				if got := answerKind(script.ask(request("challenge_req", uuid(2), authKey, honest))); got != "ack" {
					t.Errorf("an honest request after the flood was answered with %s", got)
				}
			})
		})
	}
}

// TestEveryBitFlipped flips each bit of a sealed request, one at a time. None of the results is a
// request: nothing is signed, and the session is silent on this relay after the fifth. The salt is
// fixed, so that it is the same every time: by chance one block in hundreds of thousands comes out
// as text (HAS §13.3), which is why there is a fifth.
func TestEveryBitFlipped(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault}, func(t *testing.T, w *world) {
		w.session(authKey)
		clear := fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob",`+
			`"permlink":"a-post","weight":100}]],"broadcast":true,"nonce":%d}`, time.Now().UnixMilli())
		sealed := seal.Seal(authKey, []byte(clear), [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
		raw, err := base64.StdEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		send := func(n int, data []byte) {
			body, err := json.Marshal(map[string]any{
				"cmd": "sign_req", "account": "alice", "uuid": uuid(n),
				"expire": time.Now().Add(time.Minute).UnixMilli(),
				"data":   base64.StdEncoding.EncodeToString(data),
			})
			if err != nil {
				t.Fatal(err)
			}
			script.say(body)
			time.Sleep(30 * time.Millisecond)
		}
		quarantines := 0
		for bit := range len(raw) * 8 {
			raw[bit/8] ^= 1 << (bit % 8)
			send(10_000+bit, raw)
			raw[bit/8] ^= 1 << (bit % 8)
			if len(w.agent.Status().Quarantine) > 0 {
				quarantines++
				w.release()
			}
		}
		synctest.Wait()
		for _, m := range script.heard() {
			if errorText(m, authKey) != "invalid request" {
				t.Errorf("answered with %s %q", answerKind(m), errorText(m, authKey))
			}
		}
		if n := len(w.chain.Transactions()); n != 0 || quarantines == 0 {
			t.Errorf("%d transactions on the chain, %d times in quarantine", n, quarantines)
		}
		t.Logf("%d bits, %d answers, %d times in quarantine", len(raw)*8, len(script.heard()), quarantines)
		send(9, raw)
		synctest.Wait()
		if n := len(w.chain.Transactions()); n != 1 {
			t.Errorf("the request itself is on the chain %d times", n)
		}
	})
}
