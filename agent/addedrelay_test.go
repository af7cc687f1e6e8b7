package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent"
	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/relay"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// foreignURL is the relay that is not in the settings, in the form of links.
const foreignURL = "wss://foreign.test"

// abroad is a world with a second relay that the settings do not name, reached by TLS.
type abroad struct {
	*world
	foreign *relaytest.Server
	poses   bool // what is dialled as foreign leads to the relay of the settings
}

func withForeign(t *testing.T, accounts []hive.AccountName, f func(*testing.T, *abroad)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{accounts: accounts})
		known := map[hive.AccountName][]hive.PublicKey{}
		for _, name := range accounts {
			for _, role := range []hive.Role{hive.Memo, hive.Posting, hive.Active} {
				known[name] = append(known[name], keyOf(name, role).Public())
			}
		}
		x := &abroad{world: w}
		var err error
		x.foreign, err = relaytest.Start(relaytest.Options{
			Relay: relay.Options{Keys: relay.FixedKeys(known), Logger: w.log}})
		if err != nil {
			t.Fatal(err)
		}
		defer x.foreign.Close()
		certificate, pool := foreignCertificate(t)
		w.tls = &tls.Config{RootCAs: pool}
		w.dialRelay = func(ctx context.Context, network, address string) (net.Conn, error) {
			if !strings.HasSuffix(address, ":443") {
				return w.relay.DialContext(ctx, network, address)
			}
			server := x.foreign
			if x.poses {
				server = w.relay
			}
			behind, err := server.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			near, far := net.Pipe()
			clear := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate}})
			go func() { io.Copy(behind, clear); behind.Close(); far.Close() }()
			go func() { io.Copy(clear, behind); behind.Close(); far.Close() }()
			return near, nil
		}
		w.start()
		defer w.close()
		f(t, x)
	})
}

func foreignCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"foreign.test"}
	for i := range 10 {
		names = append(names, fmt.Sprintf("f%d.test", i))
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// begin has an application at the foreign relay ask, and returns the params of its link.
func (x *abroad) begin(account hive.AccountName) (*client.Pairing, agent.PairParams) {
	x.t.Helper()
	c, err := client.Dial(x.t.Context(), client.Options{Relay: x.foreign.URL, Plaintext: true,
		DialContext: x.foreign.DialContext, App: protocol.AppInfo{Name: "abroad"}, Logger: x.log})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	pairing, err := c.Pair(x.t.Context(), client.Auth{Account: account})
	if err != nil {
		x.t.Fatal(err)
	}
	link, err := protocol.ParsePairingLink(pairing.Link())
	if err != nil {
		x.t.Fatal(err)
	}
	link.Host = foreignURL
	text, err := link.URI()
	if err != nil {
		x.t.Fatal(err)
	}
	return pairing, agent.PairParams{App: "app", Link: control.Secret(text), Wait: time.Minute}
}

// pairedFor is how long the sessions live: hours of marks and pings take long, and prove nothing.
const pairedFor = 30 * time.Minute

// pair pairs an account at the foreign relay.
func (x *abroad) pair(account hive.AccountName) agent.SessionInfo {
	x.t.Helper()
	pairing, params := x.begin(account)
	params.NewRelay, params.Length = true, pairedFor
	if ask, err := x.call(agent.MethodPairLook, params); err != nil || ask.(agent.PairAsk).Claim != "abroad" {
		x.t.Fatalf("%+v, %v", ask, err)
	}
	made, err := x.call(agent.MethodPair, params)
	if err != nil {
		x.t.Fatal(err)
	}
	if _, err := pairing.Wait(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	return made.(agent.SessionInfo)
}

// added returns what status says of the foreign relay; nil if the wallet does not know it.
func (x *abroad) added() *agent.LinkStatus {
	for _, l := range x.agent.Status().Links {
		if l.Relay == foreignURL+"/" {
			return &l
		}
	}
	return nil
}

func TestPairAtAnAddedRelay(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice", "carol"}, func(t *testing.T, x *abroad) {
		_, params := x.begin("alice")
		got, err := x.call(agent.MethodPairLook, params)
		if ask, _ := got.(agent.PairAsk); err != nil || !ask.NewRelay || ask.Relay != foreignURL || x.added() != nil {
			t.Fatalf("not asked first: %+v, %v", got, err)
		}
		_, err = x.call(agent.MethodPair, params)
		if err == nil || !strings.Contains(err.Error(), "--new-relay") || x.added() != nil {
			t.Fatalf("paired without being told to: %v", err)
		}

		info := x.pair("alice")
		l := x.added()
		if !info.RelayAdded || l == nil || !l.Connected || l.Registered != 1 || l.Added == nil ||
			!slices.Equal(l.Added.Accounts, []string{"alice"}) || len(l.Added.Sessions) != 1 {
			t.Fatalf("%+v, %+v", info, l)
		}
		x.onlyAlice("after pairing")
		// What registers accounts anew leaves it at that, and the other relay has all.
		if _, err := x.call(agent.MethodKeysCheck, struct{}{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		x.onlyAlice("after the keys were compared")
		if n := x.agent.Status().Links[0].Registered; n != 2 {
			t.Errorf("%d accounts at the relay of the settings", n)
		}

		x.end()
		x.start()
		x.eventually("the added relay after a restart", func() bool {
			l := x.added()
			return l != nil &&
				l.Registered == 1
		})
		x.onlyAlice("after a restart")

		if _, err := x.call(agent.MethodRevoke, agent.SessionParams{ID: info.ID}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if l := x.added(); l != nil {
			t.Errorf("still served: %+v", l)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := x.foreign.Relay().Status().Wallets; n != 0 {
			t.Errorf("%d connections with accounts are left", n)
		}
		if a, r := x.events("relay added"), x.events("relay removed"); len(a) != 1 || a[0].Account != "alice" ||
			len(r) != 1 {
			t.Errorf("in the trail: %+v, %+v", a, r)
		}
		x.end()
		x.start()
		if l := x.added(); l != nil {
			t.Errorf("back after a restart: %+v", l)
		}
	})
}

// onlyAlice checks what the foreign relay ever heard of the wallet's accounts.
func (x *abroad) onlyAlice(when string) {
	x.t.Helper()
	synctest.Wait()
	s := x.foreign.Relay().Status()
	if l := x.added(); l == nil || l.Registered+l.Pending+len(l.Refused) != 1 {
		x.t.Errorf("%s: %+v", when, l)
	}
	if s.Registrations != 1 {
		x.t.Errorf("%s: %d registrations at the foreign relay", when, s.Registrations)
	}
}

// A session that expires lets its relay go, and one whose relay the settings name by now leaves it
// to them: when it is taken out of them it does not come back.
func TestAddedRelayGoes(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		x.pair("alice")
		x.end()
		configured := x.config.Relays
		x.config.Relays = append(slices.Clone(configured), config.Relay{URL: foreignURL})
		x.start()
		if l := x.added(); l == nil || l.Added != nil {
			t.Errorf("a relay of the settings: %+v", l)
		}
		x.end()
		x.config.Relays = configured
		x.start()
		if l := x.added(); l != nil {
			t.Errorf("taken out of the settings, and back: %+v", l)
		}
		x.pair("alice")
		time.Sleep(2 * pairedFor)
		synctest.Wait()
		if l := x.added(); l != nil {
			t.Errorf("its session has expired: %+v", l)
		}
	})
}

func TestAddedRelayRefused(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		at := func(host string) agent.PairParams {
			return agent.PairParams{App: "app", NewRelay: true, Wait: time.Second, Link: control.Secret(
				`{"account":"alice","uuid":"` + uuid(1) + `","key":"` + authKey + `","host":"` + host + `"}`)}
		}
		for _, host := range []string{"ws://127.0.0.1:3000", "ws://127.0.0.2", "ws://foreign.test"} {
			if _, err := x.call(agent.MethodPairLook, at(host)); err == nil || !strings.Contains(err.Error(),
				"wss://") {
				t.Errorf("%s: %v", host, err)
			}
			if _, err := x.call(agent.MethodPair, at(host)); err == nil || !strings.Contains(err.Error(), "wss://") {
				t.Errorf("%s: %v", host, err)
			}
		}
		if n := len(x.agent.Status().Links); n != 1 {
			t.Errorf("%d links", n)
		}
		for i := range 8 {
			x.call(agent.MethodPairLook, at(fmt.Sprintf("wss://f%d.test", i)))
		}
		_, err := x.call(agent.MethodPairLook, at("wss://f9.test"))
		if n := len(x.agent.Status().Links); err == nil || !strings.Contains(err.Error(), "8 relays") || n != 9 {
			t.Errorf("%d links, %v", n, err)
		}
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		if n := len(x.agent.Status().Links); n != 1 {
			t.Errorf("%d links are left of pairings that came to nothing", n)
		}
	})
}

// A relay that is not in the settings names the key of one that is.
func TestAddedRelayNamesTheKeyOfAnother(t *testing.T) {
	withForeign(t, []hive.AccountName{"alice"}, func(t *testing.T, x *abroad) {
		x.poses = true
		_, params := x.begin("alice")
		params.NewRelay, params.Wait = true, 10*time.Second
		if _, err := x.call(agent.MethodPairLook, params); err == nil {
			t.Error("paired")
		}
		if l := x.added(); l == nil || l.Registered != 0 || !strings.Contains(l.KeyRefused,
			"the relay names the key of") {
			t.Errorf("%+v", l)
		}
		if n := x.relay.Relay().Status().Registrations; n != 1 || len(x.events("alarm")) != 1 {
			t.Errorf("%d registrations", n)
		}
	})
}
