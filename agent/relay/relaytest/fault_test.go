package relaytest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/relay"
)

// heard is a frame as a client got it, and when, in seconds after the first one was sent.
type heard struct {
	at   int
	text string
}

func name(n int) string { return fmt.Sprintf("%08d-0000-4000-8000-000000000000", n) }

// converse sends so many attach requests, which the relay answers with attach_nack and the same
// uuid, through a fault on those answers, in a bubble. It returns what arrives within a minute; the
// last entry says if the connection ended.
func converse(t *testing.T, requests int, fault Fault) (got []heard) {
	t.Helper()
	s, err := Start(Options{
		Relay: relay.Options{NoProof: true, Logger: slog.New(slog.DiscardHandler)},
		Fault: Script(Rule{When: On(ToClient, "attach_nack"), Do: fault}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	if _, _, err := conn.Read(t.Context()); err != nil { // connected
		t.Fatal(err)
	}
	began := time.Now()
	for n := range requests {
		frame := fmt.Sprintf(`{"cmd":"attach_req","uuid":%q}`, name(n))
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(frame)); err != nil {
			break // cut by the fault; what came before it is still read
		}
		synctest.Wait() // one frame after the other: two runs take one course
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, frame, err := conn.Read(ctx)
		at := int(time.Since(began) / time.Second)
		if ctx.Err() != nil {
			return got
		}
		if err != nil {
			return append(got, heard{at, "end"})
		}
		got = append(got, heard{at, string(frame)})
	}
}

// short names frames by the number in their uuid.
func short(got []heard) (names []string) {
	for _, h := range got {
		var said struct{ UUID string }
		text := h.text
		if json.Unmarshal([]byte(h.text), &said) == nil && said.UUID != "" {
			text = strings.TrimLeft(said.UUID[:7], "0") + said.UUID[7:8]
		}
		names = append(names, fmt.Sprintf("%s@%d", text, h.at))
	}
	return names
}

func TestFaults(t *testing.T) {
	first := func(do Fault) Fault { return Script(Rule{Times: 1, Do: do}) }
	cases := []struct {
		name  string
		fault Fault
		want  []string
	}{
		{"pass", Pass, []string{"0@0", "1@0", "2@0"}},
		{"drop", first(Drop), []string{"1@0", "2@0"}},
		{"drop the second", Script(Rule{Skip: 1, Times: 1, Do: Drop}), []string{"0@0", "2@0"}},
		{"duplicate", first(Duplicate(2)), []string{"0@0", "0@0", "0@0", "1@0", "2@0"}},
		{"delay", first(Delay(5 * time.Second)), []string{"1@0", "2@0", "0@5"}},
		{"stall", first(Stall(5 * time.Second)), []string{"0@5", "1@5", "2@5"}},
		{"replay", first(Replay(5 * time.Second)), []string{"0@0", "1@0", "2@0", "0@5"}},
		{"replay as another", first(ReplayAs(5*time.Second, map[string]any{"uuid": name(9)})),
			[]string{"0@0", "1@0", "2@0", "9@5"}},
		{"reorder", Reorder, []string{"1@0", "0@0", "2@1"}},
		{"swap uuids", Script(Rule{Times: 2, Do: SwapUUIDs}), []string{"1@0", "0@0", "2@0"}},
		{"wrong uuid", first(Set(map[string]any{"uuid": name(7)})), []string{"7@0", "1@0", "2@0"}},
		{"inject", first(Inject("a", "b")), []string{"0@0", "a@0", "b@0", "1@0", "2@0"}},
		{"cut", Script(Rule{Skip: 1, Times: 1, Do: Cut}), []string{"0@0", "end@0"}},
		{"half open", Script(Rule{Skip: 1, Times: 1, Do: HalfOpen}), []string{"0@0"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := short(converse(t, 3, c.fault)); !slices.Equal(got, c.want) {
					t.Errorf("got %v, wanted %v", got, c.want)
				}
			})
		})
	}
}

func TestFlipBit(t *testing.T) {
	sealed := []byte("Salted__saltsalt0123456789abcdef")
	synctest.Test(t, func(t *testing.T) {
		got := converse(t, 1, func(w *Wire, f Frame) {
			FlipBit("data", 8*16+3)(w, f.With(map[string]any{"data": base64.StdEncoding.EncodeToString(sealed)}))
		})
		var said struct{ Data []byte }
		if err := json.Unmarshal([]byte(got[0].text), &said); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(sealed)
		want[16] ^= 8
		if string(said.Data) != string(want) {
			t.Errorf("got %q, wanted %q", said.Data, want)
		}
	})
}

func TestMalformedAndHuge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := converse(t, 1, Malformed)
		if len(got) != 2+len(MalformedFrames()) || got[1].text != string(MalformedFrames()[0]) {
			t.Errorf("got %d frames", len(got))
		}
		got = converse(t, 1, Huge(2<<20))
		if len(got) != 2 || len(got[1].text) != 2<<20 {
			t.Errorf("got %d frames", len(got))
		}
	})
}

// TestHalfOpenAnswersNoPing: a frozen connection looks alive to the kernel only.
func TestHalfOpenAnswersNoPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Start(Options{Relay: relay.Options{NoProof: true, Logger: slog.New(slog.DiscardHandler)},
			Fault: Script(Rule{When: On(ToClient, "connected"), Do: func(w *Wire, f Frame) {
				w.Pass(f)
				w.Freeze()
			}})})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		client := &http.Client{Transport: &http.Transport{DialContext: s.DialContext, DisableKeepAlives: true}}
		conn, _, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go conn.Read(t.Context())
		if err := conn.Ping(ctx); err == nil || ctx.Err() == nil {
			t.Errorf("ping: %v", err)
		}
	})
}

// TestAdversaryRepeats: the same seed goes wrong in the same way, another seed in another.
func TestAdversaryRepeats(t *testing.T) {
	run := func(seed uint64) (all string) {
		synctest.Test(t, func(t *testing.T) {
			all = fmt.Sprint(converse(t, 40, Adversary(seed, 0.3, 0)))
		})
		return all
	}
	one := run(1)
	if one != run(1) {
		t.Error("one seed, two runs, two courses")
	}
	if one == run(2) {
		t.Error("two seeds, one course")
	}
}
