package relay_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
)

// Twelve strangers fill what may wait for an account whose wallet stays silent to them. Honest
// applications are served, one that asks for the first time and one that was answered before, and
// what they wait for is not displaced however long the strangers go on.
func TestStrangersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{AccountPending: 1000, WalletFrames: 100_000}})
		wallet := dial(t, s)
		wallet.register("alice", alice)
		known, fresh := dial(t, s), dial(t, s)
		id := known.ask("sign", "alice", "honest")
		wallet.expect("sign_req")
		wallet.acknowledge("sign", id, alice)
		known.expect("sign_ack")
		waits := known.ask("sign", "alice", "it waits for a person")
		wallet.expect("sign_req")

		for range 12 {
			stranger := dial(t, s)
			for n := range 100 {
				stranger.send(message{"cmd": "sign_req", "account": "alice", "data": "strange"})
				stranger.next() // a wait, or an error
				if n%50 == 49 {
					time.Sleep(time.Second)
				}
			}
		}
		synctest.Wait()
		if got := s.Relay().Status(); got.Pending != 1000 {
			t.Fatalf("%d are pending", got.Pending)
		}
		for name, app := range map[string]*peer{"new": fresh, "known": known} {
			id := app.ask("sign", "alice", "honest")
			for wallet.expect("sign_req").text("uuid") != id {
			}
			wallet.acknowledge("sign", id, alice)
			if m := app.next(); m.text("cmd") != "sign_ack" {
				t.Errorf("the %s application hears %v", name, m)
			}
		}
		wallet.acknowledge("sign", waits, alice)
		known.expect("sign_ack")
		if got := s.Relay().Status().Counters; got.Displaced < 2 || got.Displaced > 400 {
			t.Errorf("%d were displaced", got.Displaced)
		}
	})
}

// However many strangers there are, a wallet is sent 300 of their requests in a second. Whoever was
// answered before is not among them.
func TestStrangersRateAtAWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		wallet, known := dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		id := known.ask("sign", "alice", "honest")
		wallet.expect("sign_req")
		wallet.acknowledge("sign", id, alice)
		known.expect("sign_ack")
		time.Sleep(time.Second)
		taken := 0
		for range 7 {
			stranger := dial(t, s)
			for range 50 {
				stranger.send(message{"cmd": "sign_req", "account": "alice", "data": "strange"})
				if stranger.next().text("cmd") == "sign_wait" {
					taken++
				}
			}
		}
		if taken != 300 {
			t.Errorf("%d requests of strangers were taken at once", taken)
		}
		known.ask("sign", "alice", "honest")
		other := dial(t, s)
		other.send(message{"cmd": "sign_req", "account": "alice", "data": "d"})
		other.expectError("too many requests")
		other.ask("sign", "bob", "no wallet is there to be troubled")
		time.Sleep(time.Second / 200)
		other.ask("sign", "alice", "d")
	})
}

// Large requests of strangers count as several, by their bytes, as they do where a wallet reads
// them: it is sent no more of them than it reads at its rate, whether it is there or comes later.
func TestStrangersRateOfBytes(t *testing.T) {
	const (
		data  = 100_000
		fits  = 42 // each has 100,134 bytes in its frame and counts as 7.05
		waits = 50
	)
	for _, connected := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Limits: manyStrangers})
			wallet, stranger := dial(t, s), dial(t, s)
			if connected {
				wallet.register("alice", alice)
			}
			taken := 0
			for range waits {
				stranger.send(message{"cmd": "sign_req", "account": "alice", "data": strings.Repeat("d", data)})
				if stranger.next().text("cmd") == "sign_wait" {
					taken++
				}
			}
			if !connected {
				wallet.register("alice", alice)
				synctest.Wait()
				if taken != waits {
					t.Errorf("%d of %d requests could wait", taken, waits)
				}
				taken = s.Relay().Status().Pending
			}
			if taken != fits {
				t.Errorf("wallet connected: %t: %d large requests of strangers were taken at once, want %d", connected,
					taken, fits)
			}
			// What is left of the second is enough for small ones.
			stranger.ask("sign", "alice", "small")
		})
	}
}

// The rate holds for each wallet by itself. One of two accounts is not sent what strangers ask for
// the second one because another wallet of that one has room, and the other wallet answers.
func TestStrangersRateAtEachWallet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: manyStrangers})
		busy, idle, stranger := dial(t, s), dial(t, s), dial(t, s)
		busy.register("bob", bob)
		busy.register("alice", alice)
		idle.register("alice", alice)
		for range 299 {
			stranger.ask("sign", "bob", "strange")
			busy.expect("sign_req")
		}
		ids := make([]string, 300)
		for n := range ids {
			ids[n] = stranger.ask("sign", "alice", "strange")
			idle.expect("sign_req")
		}
		if got := busy.expect("sign_req").text("uuid"); got != ids[0] {
			t.Errorf("the last one of its rate is %s", got)
		}
		busy.quiet(time.Nanosecond)
		stranger.send(message{"cmd": "sign_req", "account": "alice", "data": "neither has room"})
		stranger.expectError("too many requests")
		idle.acknowledge("sign", ids[299], alice)
		stranger.expect("sign_ack")
		// Whoever was answered is sent to both.
		stranger.ask("sign", "alice", "honest")
		busy.expect("sign_req")
		idle.expect("sign_req")
	})
}

// manyStrangers lets one connection send what many do.
var manyStrangers = relay.Limits{AppFrames: 10_000, AppPending: 5000}

// Strangers fill two accounts while no wallet is connected. The wallet that registers both is sent
// 300 of their requests, at the edge, and nothing of the rest later; whoever was answered before is
// served in any case, and whoever asks once comes before those.
func TestStrangersWaitForAWallet(t *testing.T) {
	for _, strangers := range []int{298, 299, 300} { // requests for each account
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Limits: manyStrangers})
			wallet, known := dial(t, s), dial(t, s)
			wallet.register("alice", alice)
			id := known.ask("sign", "alice", "honest")
			wallet.expect("sign_req")
			wallet.acknowledge("sign", id, alice)
			known.expect("sign_ack")
			wallet.close()
			synctest.Wait()

			stranger, fresh := dial(t, s), dial(t, s)
			for _, name := range []string{"alice", "bob"} {
				for range strangers {
					stranger.ask("sign", name, "strange")
				}
			}
			first := []string{known.ask("sign", "alice", "honest"), fresh.ask("sign", "alice", "honest")}
			wallet = dial(t, s)
			wallet.register("alice", alice)
			for n, want := range first {
				if got := wallet.expect("sign_req").text("uuid"); got != want {
					t.Errorf("%d strangers: request %d is another", strangers, n+1)
				}
			}
			for range min(strangers, 299) {
				wallet.expect("sign_req")
			}
			wallet.register("bob", bob)
			for range max(0, 299-strangers) {
				wallet.expect("sign_req")
			}
			synctest.Wait()
			if got := s.Relay().Status(); got.Pending != 1+300 || got.Counters.Displaced != uint64(2*strangers-299) {
				t.Errorf("%d strangers: %d are pending, %d displaced", strangers, got.Pending, got.Counters.Displaced)
			}
			wallet.quiet(2 * time.Second)
			wallet.acknowledge("sign", first[0], alice)
			known.expect("sign_ack")
			wallet.acknowledge("sign", first[1], alice)
			fresh.expect("sign_ack")
			// A second wallet is sent what waits still, by a rate of its own.
			second := dial(t, s)
			second.register("alice", alice)
			for range min(strangers, 299) {
				second.expect("sign_req")
			}
			if got := s.Relay().Status().Pending; got != 299 {
				t.Errorf("%d strangers: %d are pending in the end", strangers, got)
			}
		})
	}
}

// A wallet whose connection ended while a person decides may answer a stranger's request, though
// its new connection has no room to be sent it again.
func TestSentRequestsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: manyStrangers})
		wallet, app, stranger := dial(t, s), dial(t, s), dial(t, s)
		wallet.register("alice", alice)
		id := app.ask("sign", "alice", "it waits for a person")
		wallet.expect("sign_req")
		wallet.close()
		synctest.Wait()
		for range 300 {
			stranger.ask("sign", "bob", "strange")
		}
		wallet = dial(t, s)
		wallet.register("bob", bob)
		for range 300 {
			wallet.expect("sign_req")
		}
		wallet.register("alice", alice)
		wallet.quiet(time.Nanosecond)
		wallet.acknowledge("sign", id, alice)
		app.expect("sign_ack")
	})
}

// Who has most for an account makes room for who has less, at the edge of each bound: the oldest
// leaves, and nobody makes room for who would have as much as he.
func TestMakingRoom(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits relay.Limits
		fits   int // of one connection
	}{
		{"of an account", relay.Limits{AccountPending: 4}, 4},
		{"of all", relay.Limits{Requests: 4}, 4},
		{"bytes", relay.Limits{Bytes: 4 * smallHolds}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, relay.Options{Limits: c.limits})
				wallet, many, few := dial(t, s), dial(t, s), dial(t, s)
				wallet.register("alice", alice)
				ask := func(p *peer) string {
					p.send(message{"cmd": "sign_req", "account": "alice", "data": "12345678901234567890"})
					m := p.next()
					if m.text("cmd") == "sign_wait" {
						wallet.expect("sign_req")
					}
					return m.text("uuid")
				}
				var ids []string
				for n := range c.fits + 1 {
					id := ask(many)
					if (id != "") != (n < c.fits) {
						t.Errorf("request %d: %q", n+1, id)
					}
					ids = append(ids, id)
				}
				// The others have 4 to 0, then 3 to 1; at 2 to 2 nobody makes room.
				for n, taken := range []bool{true, true, false} {
					if id := ask(few); (id != "") != taken {
						t.Errorf("request %d of the other: %q", n+1, id)
					}
				}
				for n, stays := range []bool{false, false, true, true} {
					many.raw(`{"cmd":"attach_req","uuid":"` + ids[n] + `"}`)
					want := "attach_nack"
					if stays {
						want = "attach_ack"
					}
					many.expect(want)
				}
				if got := s.Relay().Status(); got.Pending != 4 || got.Counters.Displaced != 2 ||
					got.Counters.OverLimit != 2 {
					t.Errorf("status %+v", got)
				}
				time.Sleep(time.Minute + time.Second)
				if got := s.Relay().Status(); got.Pending != 0 || got.Bytes != 0 || got.Accounts != 1 {
					t.Errorf("in the end %+v", got)
				}
			})
		})
	}
}

// Answers that were sent make room before anything that waits, the oldest first. What was not sent
// yet stays.
func TestSentAnswersMakeRoom(t *testing.T) {
	for _, limits := range []relay.Limits{{Requests: 4}, {Bytes: 4 * smallHolds}} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Limits: limits})
			wallet, app, stranger := dial(t, s), dial(t, s), dial(t, s)
			wallet.register("alice", alice)
			ask := func(p *peer) string {
				id := p.ask("sign", "alice", "12345678901234567890")
				wallet.expect("sign_req")
				return id
			}
			waits := ask(stranger)
			var ids []string
			for range 8 {
				ids = append(ids, ask(app))
				wallet.acknowledge("sign", ids[len(ids)-1], alice)
				app.expect("sign_ack")
			}
			attach := func(id, want string) {
				t.Helper()
				app.raw(`{"cmd":"attach_req","uuid":"` + id + `"}`)
				app.expect(want)
			}
			attach(ids[0], "attach_nack")
			attach(ids[7], "attach_ack")
			app.expect("sign_ack")
			wallet.acknowledge("sign", waits, alice)
			stranger.expect("sign_ack")
			if got := s.Relay().Status(); got.Counters.Displaced != 0 || got.Counters.OverLimit != 0 ||
				got.Bytes > 4*smallHolds || got.Requests > 6 {
				t.Errorf("status %+v", got)
			}
			time.Sleep(time.Minute + time.Second)
			if got := s.Relay().Status(); got.Requests != 0 || got.Bytes != 0 {
				t.Errorf("in the end %+v", got)
			}
		})
	}
}

// Requests whose connection has ended make room as those of one connection do.
func TestLooseRequestsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{Limits: relay.Limits{Requests: 6}})
		for range 3 {
			stranger := dial(t, s)
			stranger.ask("sign", "alice", "d")
			stranger.ask("sign", "alice", "d")
			stranger.close()
			synctest.Wait()
		}
		app := dial(t, s)
		for range 3 {
			app.ask("sign", "bob", "d")
		}
		app.send(message{"cmd": "sign_req", "account": "bob", "data": "d"})
		app.expectError("too many requests")
		if got := s.Relay().Status(); got.Pending != 6 || got.Counters.Displaced != 3 {
			t.Errorf("status %+v", got)
		}
	})
}

// A connection that has said nothing for a minute makes room for another one where all places are
// taken; not before, and not one that waits for an answer, or serves an account.
func TestSilentConnectionsLeave(t *testing.T) {
	const places = 4
	for after, leaves := range map[time.Duration]bool{time.Minute - 1: false, time.Minute: true, time.Minute +
		1: true} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Timeout: time.Hour, Limits: relay.Limits{Connections: places}})
			wallet, waiting := dial(t, s), dial(t, s)
			wallet.register("alice", alice)
			waiting.ask("sign", "bob", "d")
			quiet := dial(t, s)
			time.Sleep(time.Second)
			alive := dial(t, s)
			time.Sleep(after - time.Second)
			// One place more than there are.
			late := dialRaw(t, s)
			synctest.Wait()
			if (late != nil) != leaves {
				t.Errorf("after %s: the new connection has a place: %t", after, late != nil)
			}
			got := s.Relay().Status()
			if gone := got.Counters.Silent == 1; gone != leaves || got.Connections != places ||
				(got.Counters.TurnedAway == 0) != leaves {
				t.Errorf("after %s: %+v", after, got)
			}
			if leaves {
				quiet.ended()
			}
			for _, p := range []*peer{wallet, waiting, alive} {
				p.relayKey()
			}
			// Where places are free nobody has to leave.
			if late != nil {
				late.Close()
				synctest.Wait()
				time.Sleep(time.Hour)
				alive.relayKey()
			}
		})
	}
}

// Strangers have places of their own, at the edge. The wallet of this program and whoever it has
// answered take none of them, and none of theirs is left to strangers, however silent they are.
func TestStrangersHaveTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const strangers = 3
		s := start(t, relay.Options{Known: onlyBob, Timeout: time.Hour,
			Limits: relay.Limits{Connections: 7, Strangers: strangers}})
		wallet, app := dial(t, s), dial(t, s)
		wallet.register("bob", bob)
		id := app.ask("sign", "bob", "d")
		wallet.expect("sign_req")
		wallet.acknowledge("sign", id, bob)
		app.expect("sign_ack")
		var open []*peer
		for range strangers {
			open = append(open, dial(t, s))
		}
		if dialRaw(t, s) != nil {
			t.Error("a stranger more than there are places has one")
		}
		open[0].close()
		synctest.Wait()
		open = append(open[1:], dial(t, s)) // a place that is left is free again
		if dialRaw(t, s) != nil {
			t.Error("a stranger has a place that was taken again")
		}
		// The application and the wallet have been silent for longest.
		time.Sleep(time.Hour - time.Second)
		for _, p := range open[1:] {
			p.relayKey()
		}
		late := dialRaw(t, s)
		if late == nil {
			t.Fatal("a silent stranger makes no room")
		}
		late.Close()
		open[0].ended()
		app.relayKey()
		wallet.relayKey()
		// A wallet more takes none of theirs: the places of all are the bound.
		synctest.Wait()
		if got := s.Relay().Status(); got.Connections != 4 || got.Counters.Silent != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// The wallet in this process has a place while strangers have taken all, and takes none of theirs.
func TestOwnWalletHasAPlace(t *testing.T) {
	for _, limits := range []relay.Limits{{Connections: 2}, {Connections: 4, Strangers: 2}} {
		synctest.Test(t, func(t *testing.T) {
			r := reach(t, relay.Options{Known: onlyBob, Limits: limits,
				Mine: func(remote string) bool { return remote == "192.0.2.9:1" }})
			strangers := []*peer{r.dial("127.0.0.1"), r.dial("127.0.0.1")}
			wallet := r.dial("192.0.2.9")
			wallet.register("bob", bob)
			if got := r.Status(); got.Connections != 3 || got.Counters.TurnedAway != 0 {
				t.Errorf("%+v", got)
			}
			strangers[0].close()
			synctest.Wait()
			if limits.Strangers > 0 {
				r.dial("127.0.0.1").relayKey()
			}
			wallet.relayKey()
		})
	}
}

// So many connections may be at their request, at the edge: one more, and the one that has not sent
// it for longest leaves. Those that have sent theirs do not count.
func TestConnectionsThatAsk(t *testing.T) {
	const most = 256
	for _, more := range []int{-1, 0, 1} {
		synctest.Test(t, func(t *testing.T) {
			r := reach(t, relay.Options{Limits: relay.Limits{Connections: 1000}})
			asked := r.dial("127.0.0.1")
			var ended atomic.Int64
			var first atomic.Bool
			for n := range most + more {
				conn, err := r.listener.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go func() {
					_, _ = conn.Read(make([]byte, 1))
					ended.Add(1)
					if n == 0 {
						first.Store(true)
					}
				}()
				synctest.Wait()
			}
			if want := int64(max(0, more)); ended.Load() != want || first.Load() != (want > 0) ||
				r.Status().Counters.TurnedAway != uint64(want) {
				t.Errorf("%d at their request: %d left, the first %t", most+more, ended.Load(), first.Load())
			}
			asked.relayKey()
			r.dial("127.0.0.1") // in the place of one of them
			time.Sleep(11 * time.Second)
			if got := ended.Load(); got != int64(most+more) {
				t.Errorf("%d left in the end", got)
			}
		})
	}
}

// Where all places are taken, a connection that serves accounts and has said nothing for ten
// minutes, not even by a ping, makes room too; not before, not one that pings, as wallets do that
// wait for requests for days, and none while there is another silent one.
func TestSilentWalletsLeave(t *testing.T) {
	for _, c := range []struct {
		after       time.Duration
		pings, idle bool
		leaves      bool
	}{
		{after: 10*time.Minute - 1},
		{after: 10 * time.Minute, leaves: true},
		{after: 10*time.Minute + 1, leaves: true},
		{after: 30 * time.Minute, leaves: true},
		{after: 30 * time.Minute, pings: true},
		{after: 30 * time.Minute, idle: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, relay.Options{Timeout: 48 * time.Hour, Limits: relay.Limits{Connections: 2}})
			wallet, other := dial(t, s), dial(t, s)
			wallet.register("alice", alice)
			if !c.idle {
				other.ask("sign", "bob", "it waits")
			}
			if c.pings {
				for range int(c.after / (5 * time.Minute)) {
					time.Sleep(5 * time.Minute)
					if err := wallet.conn.Ping(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			} else {
				time.Sleep(c.after)
			}
			late := dialRaw(t, s)
			synctest.Wait()
			if (late != nil) != (c.leaves || c.idle) {
				t.Errorf("%+v: the new connection has a place: %t", c, late != nil)
			}
			if c.leaves {
				wallet.ended()
			} else if err := wallet.conn.Ping(t.Context()); err != nil {
				t.Errorf("%+v: the wallet's connection: %v", c, err)
			}
			if got := s.Relay().Status(); (got.Registrations == 0) != c.leaves {
				t.Errorf("%+v: %+v", c, got)
			}
			if late != nil {
				late.Close()
			}
		})
	}
}

// So many connections may serve one account: each is sent every request for it. One that ends makes
// room.
func TestWalletsOfOneAccount(t *testing.T) {
	const most = 16
	synctest.Test(t, func(t *testing.T) {
		s := start(t, relay.Options{})
		var wallets []*peer
		for range most {
			wallet := dial(t, s)
			wallet.register("alice", alice)
			wallets = append(wallets, wallet)
		}
		late := dial(t, s)
		late.send(registration("alice", late.timeProof(alice)))
		late.expectError("too many registrations: alice")
		late.register("bob", bob)
		wallets[3].register("alice", alice) // it is one of them
		dial(t, s).ask("sign", "alice", "d")
		for _, wallet := range wallets {
			wallet.expect("sign_req")
		}
		wallets[0].close()
		synctest.Wait()
		late.register("alice", alice)
		if got := s.Relay().Status(); got.Registrations != most+1 {
			t.Errorf("%d registrations", got.Registrations)
		}
	})
}

// dialRaw asks the relay for a WebSocket and returns the connection; nil if there is no place.
func dialRaw(t *testing.T, s *relaytest.Server) net.Conn {
	t.Helper()
	conn, err := s.DialContext(t.Context(), "tcp", "relay.example:80")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: relay.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	status := make([]byte, len("HTTP/1.1 101"))
	if _, err := conn.Read(status); err != nil || string(status) != "HTTP/1.1 101" {
		conn.Close()
		return nil
	}
	return conn
}

// addressed is a listener in memory whose next connections come from an address.
type addressed struct {
	*relaytest.Listener
	address string
}

func (a *addressed) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return from{conn, a.address}, nil
}

type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr {
	address, err := net.ResolveTCPAddr("tcp", f.address)
	if err != nil {
		panic(err)
	}
	return address
}

// One address has a part of the places, and one network of IPv6 is one address. This machine may
// have all of them.
func TestConnectionsOfOneAddress(t *testing.T) {
	for _, c := range []struct {
		addresses []string // of connections one after the other
		places    int      // of which so many have one
	}{
		{[]string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"}, 3},
		{[]string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4", "[::ffff:192.0.2.1]:5"}, 3},
		{[]string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1"}, 4},
		{[]string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8::4]:1",
			"[2001:db8:0:1::1]:1"}, 4},
		{[]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", "[::1]:1"}, 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, err := relay.New(relay.Options{Keys: keys, Logger: silent, Limits: relay.Limits{AddressConnections: 3}})
			if err != nil {
				t.Fatal(err)
			}
			listener := &addressed{Listener: relaytest.Listen()}
			ctx, cancel := context.WithCancel(t.Context())
			stopped := make(chan error, 1)
			go func() { stopped <- r.Serve(ctx, listener) }()
			open := 0
			var last net.Conn
			for _, listener.address = range c.addresses {
				conn, err := listener.DialContext(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				conn.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := conn.Read(make([]byte, 1)); err == nil || err.Error() != "EOF" {
					open++
					last = conn
				}
			}
			if open != c.places || r.Status().Counters.TurnedAway != uint64(len(c.addresses)-c.places) {
				t.Errorf("%v: %d have places, %+v", c.addresses, open, r.Status().Counters)
			}
			// A place that is left is free again.
			last.Close()
			time.Sleep(time.Second)
			conn, err := listener.DialContext(t.Context(), "", "")
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := r.Status().Counters.TurnedAway; got > uint64(len(c.addresses)-c.places) && c.places == 3 {
				t.Errorf("%v: the place was not free again: %d turned away", c.addresses, got)
			}
			conn.Close()
			cancel()
			<-stopped
		})
	}
}
