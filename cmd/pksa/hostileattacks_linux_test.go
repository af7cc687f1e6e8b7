package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// The attacks, by their place in hostile.sent.
const (
	byLogin = iota
	byPayer
	byMaker
	byStranger
	byRelay
	atOwn
	attacks
)

// past is the last requests that passed a wire.
type past struct {
	mu     sync.Mutex
	frames [][]byte
}

func (p *past) add(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames = append(p.frames[max(0, len(p.frames)-63):], frame)
}

func (p *past) get(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.frames) == 0 {
		return nil
	}
	return p.frames[n%len(p.frames)]
}

// floods is the hostile relay. From a registration on it sends what nobody asked for, as fast as it
// is read: requests of others again, and garbage, small and large.
func (h *hostile) floods(w *relaytest.Wire, f relaytest.Frame) {
	w.Pass(f)
	if f.To != relaytest.ToClient || f.Cmd != "register_ack" || f.Account != "alice" {
		return
	}
	w.After(0, func() {
		for n := 0; w.Sleep(time.Millisecond); n++ {
			h.sent[byRelay].Add(1)
			switch {
			case n%500 == 0:
				w.Send(relaytest.ToClient, random("sign_req", 300_000))
			case n%3 == 0:
				if old := h.past.get(n); old != nil {
					w.Send(relaytest.ToClient, old)
				}
			default:
				w.Send(relaytest.ToClient, random([]string{"sign_req", "auth_req", "challenge_req"}[n%3], 400))
			}
		}
	})
}

// random is a request to alice that nothing opens.
func random(cmd string, size int) []byte {
	raw := make([]byte, size&^15)
	_, _ = rand.Read(raw)
	copy(raw, "Salted__")
	return inJSON(map[string]any{"cmd": cmd, "account": "alice", "uuid": newUUID(),
		"expire": time.Now().Add(time.Minute).UnixMilli(), "data": base64.StdEncoding.EncodeToString(raw)})
}

func newUUID() string { return client.NewSession("alice", "").AuthKey() }

func inJSON(members map[string]any) []byte {
	frame, err := json.Marshal(members)
	if err != nil {
		panic(err) // unreachable: texts and numbers
	}
	return frame
}

// wire is a connection of somebody who says what he wants.
func wire(ctx context.Context, url string) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	go func() {
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}()
	return conn, nil
}

// each sends what next makes at a pace, on a connection that is made again when it ends, and counts
// it for an attack.
func (h *hostile) each(ctx context.Context, url string, attack int, pause time.Duration, next func(n int) []byte) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var conn *websocket.Conn
	defer func() {
		if conn != nil {
			conn.CloseNow()
		}
	}()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if conn == nil {
			conn, _ = wire(ctx, url)
		}
		if conn == nil {
			continue
		}
		if conn.Write(ctx, websocket.MessageText, next(n)) != nil {
			conn.CloseNow()
			conn = nil
			continue
		}
		h.sent[attack].Add(1)
	}
}

// session logs an app in.
func (h *hostile) session(ctx context.Context, account hive.AccountName, app string) (*client.Client, *client.Session) {
	for {
		c, err := client.Dial(ctx, client.Options{Relay: h.relay.URL, App: protocol.AppInfo{Name: app},
			Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			grant, err := c.Authenticate(ctx, client.Auth{Account: account, Secret: h.secrets[app]})
			if err == nil {
				return c, grant.Session
			}
			c.Close()
		}
		if ctx.Err() != nil {
			return nil, nil
		}
	}
}

// sealed is a request of a session, as it goes to the relay.
func (h *hostile) sealed(cmd string, s *client.Session, payload string) []byte {
	members := map[string]any{"cmd": cmd, "account": "alice", "data": relaytest.Seal(s.AuthKey(), payload)}
	frame := inJSON(members)
	members["uuid"], members["expire"] = newUUID(), time.Now().Add(time.Minute).UnixMilli()
	h.past.add(inJSON(members)) // as a relay delivers it
	return frame
}

// onlyLogsIn is a slot that may only log in: it asks for large and for small things that are
// denied, and makes one session after the other.
func (h *hostile) onlyLogsIn(ctx context.Context) {
	c, s := h.session(ctx, "alice", "lowly")
	if c == nil {
		return
	}
	defer c.Close()
	memo := strings.Repeat("m", 2000)
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() {
		for ctx.Err() == nil {
			brief, cancel := context.WithTimeout(ctx, time.Second)
			if _, err := c.Authenticate(brief, client.Auth{Account: "alice", Secret: h.secrets["lowly"]}); err == nil {
				h.sent[byLogin].Add(1)
			}
			cancel()
		}
	})
	working.Go(func() { h.asksForVotes(ctx) })
	h.each(ctx, h.relay.URL, byLogin, 50*time.Millisecond, func(n int) []byte {
		ops := strings.Repeat(fmt.Sprintf(`["transfer",{"from":"alice","to":"bob","amount":"1.000 HBD","memo":%q}],`,
			memo), 100)
		return h.sealed("sign_req", s, fmt.Sprintf(`{"key_type":"active","ops":[%s],"broadcast":true,"nonce":%d}`,
			strings.TrimSuffix(ops, ","), time.Now().UnixMilli()))
	})
}

// asksForVotes is the same slot in another session: each request would be another transaction, and
// is denied.
func (h *hostile) asksForVotes(ctx context.Context) {
	c, s := h.session(ctx, "alice", "lowly")
	if c == nil {
		return
	}
	defer c.Close()
	h.each(ctx, h.own, byLogin, 20*time.Millisecond, func(n int) []byte {
		return h.sealed("sign_req", s, fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice",`+
			`"author":"bob","permlink":"p%d","weight":100}]],"broadcast":true,"nonce":%d}`, n, time.Now().UnixMilli()))
	})
}

// paysLittle is a slot that opens a new counter of its limit with each request.
func (h *hostile) paysLittle(ctx context.Context) {
	c, s := h.session(ctx, "alice", "payer")
	if c == nil {
		return
	}
	defer c.Close()
	h.each(ctx, h.relay.URL, byPayer, 10*time.Millisecond, func(n int) []byte {
		return h.sealed("sign_req", s,
			fmt.Sprintf(`{"key_type":"active","ops":[["transfer",{"from":"alice","to":"a%d",`+
				`"amount":"0.001 HBD","memo":""}]],"broadcast":false,"nonce":%d}`, n, time.Now().UnixMilli()))
	})
}

// waits is the same slot, which asks for what a person decides, and no person comes.
func (h *hostile) waits(ctx context.Context) {
	c, s := h.session(ctx, "alice", "payer")
	if c == nil {
		return
	}
	defer c.Close()
	h.each(ctx, h.relay.URL, byPayer, 20*time.Millisecond, func(n int) []byte {
		return h.sealed("sign_req", s,
			fmt.Sprintf(`{"key_type":"posting","ops":[["vote",{"voter":"alice","author":"bob",`+
				`"permlink":"p%d-%s","weight":1}]],"broadcast":true,"nonce":%d}`, n, strings.Repeat("x", 200),
				time.Now().UnixMilli()))
	})
}

// makes is a slot that makes its transactions itself: each lives for nearly an hour, opens a
// counter with a long name, and comes four times, signed alone and broadcast, without and with as
// many signatures of strangers as a request may have, whose keys the wallet has to find.
func (h *hostile) makes(ctx context.Context) {
	c, s := h.session(ctx, "alice", "maker")
	if c == nil {
		return
	}
	defer c.Close()
	var strangers []string
	for i := range protocol.MaxSignatures {
		signature, err := hive.PrivateKeyFromSeed(fmt.Sprint("hostile ", i)).Sign(hive.Digest{1})
		if err != nil {
			h.t.Error(err)
			return
		}
		strangers = append(strangers, signature.String())
	}
	others := fmt.Sprintf(`"signatures":["%s"],`, strings.Join(strangers, `","`))
	h.each(ctx, h.relay.URL, byMaker, 20*time.Millisecond, func(n int) []byte {
		now := time.Now()
		expiration := hive.TimeOf(now.Truncate(time.Minute).Add(55 * time.Minute))
		return h.sealed("sign_req", s, fmt.Sprintf(`{"key_type":"posting","tx":{"ref_block_num":7,`+
			`"ref_block_prefix":7,"expiration":%q,"operations":[["vote",{"voter":"alice","author":"bob",`+
			`"permlink":"p%d-%s","weight":1}]],"extensions":[]},%s"broadcast":%t,"nonce":%d}`, expiration, n/4,
			strings.Repeat("x", 230), map[bool]string{true: others}[n%4 > 1], n%2 == 1, now.UnixMilli()))
	})
}

// strangers send what nothing opens to the relay that everybody uses.
func (h *hostile) strangers(ctx context.Context) {
	var working sync.WaitGroup
	for _, cmd := range []string{"sign_req", "auth_req"} {
		working.Go(func() {
			h.each(ctx, h.relay.URL, byStranger, 10*time.Millisecond, func(n int) []byte {
				if n%20 == 0 {
					return random(cmd, 300_000)
				}
				return random(cmd, 400)
			})
		})
	}
	working.Wait()
}

// atOwnRelay are strangers at the wallet's own relay: silent connections, requests that nobody
// answers, registrations without a proof, frames that do not end.
func (h *hostile) atOwnRelay(ctx context.Context) {
	var working sync.WaitGroup
	for range 100 {
		working.Go(func() {
			if conn, err := wire(ctx, h.own); err == nil {
				<-ctx.Done()
				conn.CloseNow()
			}
		})
	}
	for i := range 4 {
		working.Go(func() {
			h.each(ctx, h.own, atOwn, 20*time.Millisecond, func(n int) []byte {
				if n%2 == 0 {
					return inJSON(map[string]any{"cmd": "register_req", "app": "x",
						"accounts": []map[string]any{{"name": fmt.Sprint("nobody", n), "pok": "#bad"}}})
				}
				return inJSON(map[string]any{"cmd": "sign_req", "account": fmt.Sprintf("acc%d-%d", i, n),
					"data": strings.Repeat("d", 100_000)})
			})
		})
	}
	for i := range h.strangersAtOwn() {
		working.Go(func() { h.neverEnds(ctx, i) })
	}
	working.Wait()
}

// strangersAtOwn is how many connections send frames that do not end: nearly all that the relay has
// places for, and a third of them in a short run.
func (h *hostile) strangersAtOwn() int {
	if *hostileTime < time.Minute {
		return 300
	}
	return 880
}

// neverEnds is a stranger at the wallet's own relay who asks for small things of many accounts that
// nobody answers, then begins a large frame and waits. When his connection ends he comes back.
func (h *hostile) neverEnds(ctx context.Context, i int) {
	for n := 0; ctx.Err() == nil; n++ {
		conn, err := wire(ctx, h.own)
		for j := 0; err == nil && j < 40; j++ {
			err = conn.Write(ctx, websocket.MessageText, inJSON(map[string]any{"cmd": "sign_req",
				"account": fmt.Sprintf("a%d-%d", i, j), "data": "small"}))
			h.sent[atOwn].Add(1)
		}
		if err == nil {
			var w io.Writer
			if w, err = conn.Writer(ctx, websocket.MessageText); err == nil {
				_, _ = w.Write(make([]byte, []int{60, 64, 600}[n%3]<<10))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
		if conn != nil {
			conn.CloseNow()
		}
	}
}

// honest is an app of another account that asks for something small now and then, a text or a vote.
func (h *hostile) honest(ctx context.Context) {
	c, s := h.session(ctx, "carol", "honest")
	if c == nil {
		return
	}
	defer c.Close()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.asked.Add(1)
		var err error
		if n%2 == 0 {
			_, err = c.Challenge(ctx, s, client.Challenge{Role: hive.Posting, Text: fmt.Sprint("honest ", n)})
		} else {
			_, err = c.Sign(ctx, s, client.SignRequest{Role: hive.Posting, Operations: []client.Operation{{Name: "vote",
				Fields: map[string]any{"voter": "carol", "author": "bob", "permlink": fmt.Sprint("honest-", n),
					"weight": 100}}}})
		}
		if err == nil {
			h.heard.Add(1)
		}
	}
}
