package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const accountsMethod = "condenser_api.get_accounts"

// keeper is a key that no wallet of these tests holds.
func keeper(label string) *hive.PrivateKey { return hive.PrivateKeyFromSeed("keeper " + label) }

// shareActive has two of three keys act for alice: the wallet's, and those of two keepers.
func (w *world) shareActive() {
	w.chain.Change("alice", func(a *nodetest.Account) {
		a.Active = hive.Authority{WeightThreshold: 2, KeyAuths: []hive.KeyWeight{
			{Key: keyOf("alice", hive.Active).Public(), Weight: 1}, {Key: keeper("one").Public(), Weight: 1},
			{Key: keeper("two").Public(), Weight: 1}}}
	})
}

// signedBy returns a signature over a transaction of JSON.
func signedBy(t *testing.T, key *hive.PrivateKey, tx string) string {
	t.Helper()
	signature, err := key.Sign(digestOf(t, tx))
	if err != nil {
		t.Fatal(err)
	}
	return signature.String()
}

// sharedPayload is a sign_req_data with signatures of others.
func sharedPayload(tx string, broadcast bool, nonce int64, signatures ...string) string {
	list := ""
	for i, signature := range signatures {
		list += map[bool]string{true: ","}[i > 0] + `"` + signature + `"`
	}
	return fmt.Sprintf(`{"key_type":"active","tx":%s,"signatures":[%s],"broadcast":%t,"nonce":%d}`, tx, list, broadcast,
		nonce)
}

// sharedAnswer opens the sealed answer.
func sharedAnswer(t *testing.T, m protocol.Message, key string) protocol.SignAckData {
	t.Helper()
	ack, ok := m.(protocol.Ack)
	if !ok {
		t.Fatalf("%s %q", answerKind(m), errorText(m, key))
	}
	sealed, ok := ack.SealedSignature()
	if !ok {
		t.Fatalf("not sealed: %s", ack.Data)
	}
	data, err := protocol.DecodeSignAckData([]byte(openedBy(t, key, sealed)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// signersOnChain returns the keys that signed a transaction which the chain has.
func (w *world) signersOnChain(id hive.TxID) []hive.PublicKey {
	w.t.Helper()
	for _, one := range w.chain.Transactions() {
		if one.ID != id {
			continue
		}
		packed, err := hive.Mainnet.Serialize(one.Transaction.Transaction)
		if err != nil {
			w.t.Fatal(err)
		}
		var keys []hive.PublicKey
		for _, signature := range one.Transaction.Signatures {
			key, err := signature.Recover(hive.Mainnet.SigningDigest(packed))
			if err != nil {
				w.t.Fatal(err)
			}
			keys = append(keys, key)
		}
		return keys
	}
	return nil
}

const lacksOne = "signatures are missing: the active authority of alice needs weight 2, and the signatures have 1"

// A key that weighs less than the threshold signs alone, and says what is missing to who asks that.
// Asked to broadcast, it refuses before anything is charged; with the signature of another keeper
// it does broadcast. What was charged for signing is not charged again.
func TestSharedAuthority(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.shareActive()
		n := 0
		ask := func(payload func(nonce int64) string) protocol.Message {
			n++
			time.Sleep(time.Millisecond)
			return script.ask(request("sign_req", uuid(n), authKey, payload(nowNonce())))
		}
		refused := func(want, reason string, payload func(nonce int64) string) {
			t.Helper()
			m := ask(payload)
			if got := errorText(m, authKey); answerKind(m) != "nack" || got != want {
				t.Errorf("%s %q, want %q", answerKind(m), got, want)
			}
			if got := w.lastJudged().Reason; !strings.Contains(got, reason) {
				t.Errorf("the trail says %q, want %q", got, reason)
			}
		}
		tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		one, two := signedBy(t, keeper("one"), tx), signedBy(t, keeper("two"), tx)
		stranger := signedBy(t, keeper("stranger"), tx)
		own := signedBy(t, keyOf("alice", hive.Active), tx)
		alone := func(nonce int64) string { return sharedPayload(tx, false, nonce) }
		sent := func(others ...string) func(int64) string {
			return func(nonce int64) string { return sharedPayload(tx, true, nonce, others...) }
		}

		// Asked to broadcast first: neither signed nor charged, however often.
		for range 3 {
			refused(protocol.TextBroadcastAuthority, lacksOne, sent())
			refused(protocol.TextBroadcastAuthority, lacksOne, sent(own))
			refused(protocol.TextBroadcastAuthority, lacksOne, func(nonce int64) string {
				return exactPayload(tx, true,
					nonce)
			})
			refused(protocol.TextBroadcastAuthority, "has no part in the authorities", sent(one, stranger))
		}
		none := one[:66-8] + "00000001" + one[66:]
		for !unrecoverable(t, none, tx) {
			none = none[:57] + fmt.Sprintf("%x", none[57]%16) + none[58:65] + fmt.Sprintf("%x", (none[65]+1)%16) +
				none[66:]
		}
		refused(protocol.TextNotSupported, "signature 2: ", sent(one, none))
		if len(w.chain.Transactions()) != 0 || w.granted() != 0 {
			t.Fatalf("%d transactions, %d granted", len(w.chain.Transactions()), w.granted())
		}

		data := sharedAnswer(t, ask(alone), authKey)
		if want := []hive.Shortfall{{Account: "alice", Role: hive.Active, Weight: 1,
			Threshold: 2}}; len(data.Signatures) != 1 ||
			data.Signatures[0].String() != own || !slices.Equal(data.Missing, want) {
			t.Errorf("%+v", data)
		}
		// Nothing is said to who does not ask.
		if data := sharedAnswer(t, ask(func(nonce int64) string { return exactPayload(tx, false, nonce) }),
			authKey); data.Missing != nil {
			t.Errorf("%+v", data)
		}
		// A stranger's signature keeps nothing from being signed.
		data = sharedAnswer(t, ask(func(nonce int64) string { return sharedPayload(tx, false, nonce, one, stranger) }),
			authKey)
		if data.Missing == nil || len(data.Missing) != 0 || len(data.Signatures) != 1 ||
			data.Signatures[0].String() != own {
			t.Errorf("%+v", data)
		}
		// 2 of 5 HIVE are left: what was signed counts once.
		refused(protocol.TextRefused, "limit", func(nonce int64) string {
			return sharedPayload(w.exactTx(time.Minute, transferToBob(3, "more", false)), false, nonce)
		})

		data = sharedAnswer(t, ask(sent(two, own, one, two)), authKey)
		if data.Missing == nil || len(data.Missing) != 0 || len(data.Signatures) != 1 ||
			data.Signatures[0].String() != own {
			t.Errorf("%+v", data)
		}
		want := []hive.PublicKey{keyOf("alice", hive.Active).Public(), keeper("two").Public()}
		if got := w.signersOnChain(exactID(t, tx)); !slices.Equal(got, want) {
			t.Errorf("on the chain by %v, want %v", got, want)
		}
		sharedAnswer(t, ask(func(nonce int64) string {
			return sharedPayload(w.exactTx(time.Minute, transferToBob(2, "rest", false)), false, nonce)
		}), authKey)
	})
}

// unrecoverable reports whether a signature is of the right form and by no key.
func unrecoverable(t *testing.T, signature, tx string) bool {
	t.Helper()
	s, err := hive.ParseSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := hive.Mainnet.ParseTransaction([]byte(tx))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := hive.Mainnet.Serialize(parsed.Transaction)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Recover(hive.Mainnet.SigningDigest(packed))
	return s.Check() == nil && err != nil
}

// What nodes do not tell is not told to the application, and keeps nothing from being signed;
// nothing is broadcast then, nor charged.
func TestSharedWithoutNodes(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.shareActive()
		w.node.FailAlways(accountsMethod, nodetest.Refused)
		tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		one := signedBy(t, keeper("one"), tx)
		m := script.ask(request("sign_req", uuid(1), authKey, sharedPayload(tx, true, nowNonce(), one)))
		if got := errorText(m, authKey); got != protocol.TextBroadcastNoNode || w.granted() != 0 {
			t.Errorf("broadcast: %s %q", answerKind(m), got)
		}
		data := sharedAnswer(t, script.ask(request("sign_req", uuid(2), authKey, sharedPayload(tx, false, nowNonce()+1,
			one))), authKey)
		if data.Missing != nil || len(data.Signatures) != 1 {
			t.Errorf("%+v", data)
		}
		// Requests wait for hanging nodes once, those of other apps not at all.
		time.Sleep(16 * time.Second)
		w.node.FailAlways(accountsMethod, nodetest.Fault{Hang: true})
		for n := range int64(5) {
			script.sayAll(request("sign_req", uuid(10+int(n)), authKey, sharedPayload(tx, false, nowNonce()+n, one)))
		}
		before := time.Now()
		sharedAnswer(t, script.ask(request("sign_req", uuid(4), otherKey, exactPayload(tx, false, nowNonce()))),
			otherKey)
		if d := time.Since(before); d > time.Second {
			t.Errorf("another app waited %s", d)
		}
		sharedAnswer(t, script.ask(request("sign_req", uuid(5), authKey, exactPayload(tx, false, nowNonce()+100))),
			authKey)
		if d := time.Since(before); d < 4*time.Second || d > 6*time.Second {
			t.Errorf("the app waited %s", d)
		}
		w.node.FailAlways(accountsMethod, nodetest.Fault{})
		// They are asked again soon, at once for another app.
		for n, c := range []struct{ key, want string }{{authKey, protocol.TextBroadcastNoNode}, {otherKey, ""}} {
			tx := w.exactTx(30*time.Minute, transferToBob(1, c.want, false))
			m := script.ask(request("sign_req", uuid(20+n), c.key, sharedPayload(tx, true, nowNonce()+200+int64(n),
				signedBy(t, keeper("one"), tx))))
			if got := errorText(m, c.key); got != c.want {
				t.Errorf("app %d right after nodes were silent: %q, want %q", n+1, got, c.want)
			}
		}
		time.Sleep(16 * time.Second)
		sharedAnswer(t, script.ask(request("sign_req", uuid(6), authKey, sharedPayload(tx, true, nowNonce(), one))),
			authKey)
		if w.chain.Count(exactID(t, tx)) != 1 {
			t.Error("not on the chain")
		}
	})
}

// What the rules deny has no node asked, with whatever signatures.
func TestSharedDeniedAsksNobody(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.node.FailAlways(accountsMethod, nodetest.Fault{Hang: true})
		tx := strings.Replace(w.exactTx(time.Minute, transferToBob(1, "", false)), `"to":"bob"`, `"to":"mallory"`, 1)
		before := time.Now()
		m := script.ask(request("sign_req", uuid(1), authKey, sharedPayload(tx, true, nowNonce(), signedBy(t,
			keeper("one"),
			tx))))
		if got := errorText(m, authKey); got != protocol.TextRefused || time.Since(before) > time.Second {
			t.Errorf("%q after %s", got, time.Since(before))
		}
	})
}

// Nodes are asked again after a person's yes: what suffices by then is broadcast, and what does not
// is not.
func TestSharedIsLookedUpAfterTheYes(t *testing.T) {
	asks := strings.Replace(exactPolicy, "  - name: pay\n", "ask:\n  - name: pay\n", 1)
	waitingWorld(t, asks, func(t *testing.T, w *world, script *scriptedClient) {
		w.shareActive()
		for n, c := range []struct {
			threshold uint32
			want      string
		}{{3, protocol.TextBroadcastAuthority}, {2, ""}} {
			w.shareActive()
			tx := w.exactTx(30*time.Minute, transferToBob(1, fmt.Sprint(n), false))
			before := script.count()
			script.sayAll(request("sign_req", uuid(n+1), authKey, sharedPayload(tx, true, nowNonce(), signedBy(t,
				keeper("one"), tx))))
			w.eventually("a question", func() bool { return len(w.pending()) == 1 })
			if got := w.pending()[0].Reason; !strings.Contains(got, "signatures of others: 1") {
				t.Errorf("shown is %q", got)
			}
			w.chain.Change("alice", func(a *nodetest.Account) { a.Active.WeightThreshold = c.threshold })
			if err := w.decide(w.pending()[0].Number, true); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			heard := script.heard()[before:]
			if len(heard) != 1 || errorText(heard[0], authKey) != c.want || (w.chain.Count(exactID(t,
				tx)) == 1) != (c.want == "") {
				t.Errorf("threshold %d: %v", c.threshold, heard)
			}
		}
	})
}

// dialShared connects an application that collects signatures.
func (w *world) dialShared() *client.Client {
	w.t.Helper()
	c, err := client.Dial(w.t.Context(), client.Options{Relay: w.relay.URL, Plaintext: true,
		DialContext: w.relay.DialContext, App: protocol.AppInfo{Name: "test", Shared: true}, Logger: w.log})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

// An application sends signatures of others to a wallet that said that it takes them, and gets all
// of them back, each once; it learns what is missing. To another wallet it sends none.
func TestClientSignsWithOthers(t *testing.T) {
	within(t, worldOptions{policy: exactPolicy}, func(t *testing.T, w *world) {
		w.shareActive()
		tx := json.RawMessage(w.exactTx(30*time.Minute, transferToBob(1, "", true)))
		one, err := hive.ParseSignature(signedBy(t, keeper("one"), string(tx)))
		if err != nil {
			t.Fatal(err)
		}
		r := client.ExactRequest{Role: hive.Active, Transaction: tx, SignOnly: true}

		asksLess, err := client.Dial(t.Context(), client.Options{Relay: w.relay.URL, Plaintext: true,
			DialContext: w.relay.DialContext, App: protocol.AppInfo{Name: "test", Exact: true}, Logger: w.log})
		if err != nil {
			t.Fatal(err)
		}
		defer asksLess.Close()
		s := w.login(asksLess)
		if signed, err := asksLess.SignExact(t.Context(), s, r); err != nil || signed.Complete ||
			signed.Missing != nil {
			t.Errorf("who did not ask: %+v, %v", signed, err)
		}
		with := r
		with.Signatures = []hive.Signature{one}
		if _, err := asksLess.SignExact(t.Context(), s, with); !errors.Is(err, client.ErrNoShared) {
			t.Errorf("who did not ask, with signatures: %v", err)
		}

		c := w.dialShared()
		kept, err := w.login(c).Save()
		if err != nil {
			t.Fatal(err)
		}
		if s, err = client.LoadSession(kept); err != nil {
			t.Fatal(err)
		}
		signed, err := c.SignExact(t.Context(), s, r)
		if want := []hive.Shortfall{{Account: "alice", Role: hive.Active, Weight: 1, Threshold: 2}}; err != nil ||
			signed.Complete || !slices.Equal(signed.Missing, want) || len(signed.Signatures) != 1 {
			t.Errorf("alone: %+v, %v", signed, err)
		}
		alone := r
		alone.SignOnly = false
		if _, err := c.SignExact(t.Context(), s, alone); !errors.Is(err, client.ErrAuthority) ||
			!errors.Is(err, client.ErrNothingDone) {
			t.Errorf("alone, to be broadcast: %v", err)
		}
		with.Signatures = append([]hive.Signature{one}, signed.Signatures...)
		signed, err = c.SignExact(t.Context(), s, with)
		want := []hive.PublicKey{keyOf("alice", hive.Active).Public(), keeper("one").Public()}
		if err != nil || !signed.Complete || len(signed.Missing) != 0 || !slices.Equal(signed.Keys, want) ||
			len(signed.Signatures) != 2 || w.chain.Count(signed.ID) != 0 {
			t.Fatalf("together: %+v, %v", signed, err)
		}
		// Of two others whom the chain does not need both, one is left out; so is our own signature
		// where it has no part. What came back can be sent as it is.
		second, err := hive.ParseSignature(signedBy(t, keeper("two"), string(tx)))
		if err != nil {
			t.Fatal(err)
		}
		more := with
		more.Signatures = []hive.Signature{one, second, one}
		if least, err := c.SignExact(t.Context(), s, more); err != nil || !least.Complete ||
			!slices.Equal(least.Keys, want) || !slices.Equal(least.Signatures, signed.Signatures) {
			t.Errorf("three together: %+v, %v", least, err)
		}
		w.chain.Change("alice", func(a *nodetest.Account) {
			a.Active = hive.Authority{WeightThreshold: 2, KeyAuths: a.Active.KeyAuths[1:]}
		})
		more.Signatures = more.Signatures[:2]
		least, err := c.SignExact(t.Context(), s, more)
		if err != nil || !least.Complete || !slices.Equal(least.Signatures, more.Signatures) {
			t.Errorf("without ours: %+v, %v", least, err)
		}
		w.shareActive()
		if _, err := w.nodeCall("broadcast_transaction", string(signed.Transaction)); err != nil {
			t.Errorf("sent by the application: %v", err)
		}
		// What nodes do not tell leaves one of each key.
		w.node.FailAlways(accountsMethod, nodetest.Refused)
		more.Signatures = []hive.Signature{one, one}
		if all, err := c.SignExact(t.Context(), s, more); err != nil || all.Complete || !slices.Equal(all.Keys, want) {
			t.Errorf("without nodes: %+v, %v", all, err)
		}
		w.node.FailAlways(accountsMethod, nodetest.Fault{})
		time.Sleep(16 * time.Second)
		with.Transaction = json.RawMessage(w.exactTx(30*time.Minute, transferToBob(1, "two", true)))
		with.SignOnly = false
		if _, err := c.SignExact(t.Context(), s, with); !errors.Is(err, client.ErrAuthority) {
			t.Errorf("signatures of another transaction: %v", err)
		}
		if with.Signatures[0], err = hive.ParseSignature(signedBy(t, keeper("two"),
			string(with.Transaction))); err != nil {
			t.Fatal(err)
		}
		with.Signatures = with.Signatures[:1]
		if signed, err = c.SignExact(t.Context(), s, with); err != nil || w.chain.Count(signed.ID) != 1 ||
			!slices.Equal(w.signersOnChain(signed.ID), []hive.PublicKey{want[0], keeper("two").Public()}) {
			t.Errorf("broadcast: %+v, %v", signed, err)
		}
		with.Signatures = []hive.Signature{{}}
		if _, err := c.SignExact(t.Context(), s, with); err == nil || !strings.Contains(err.Error(), "signature 1") {
			t.Errorf("no signature: %v", err)
		}
	})
}

// What the policy denied when nodes would have been asked, and another one allows by the time of
// the commit, is not broadcast with our signature alone: the application asks again.
func TestSharedUnderAnotherPolicyByThen(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.shareActive()
		w.node.FailAlways(accountsMethod, nodetest.Fault{Hang: true})
		first := w.exactTx(30*time.Minute, transferToBob(1, "first", false))
		second := strings.Replace(w.exactTx(30*time.Minute, transferToBob(1, "second", false)), `"to":"bob"`,
			`"to":"carol"`, 1)
		w.chain.AddUser("carol")
		one := signedBy(t, keeper("one"), second)
		// The first one waits for nodes, and the second one for the first.
		script.sayAll(request("sign_req", uuid(1), authKey, sharedPayload(first, false, nowNonce())),
			request("sign_req", uuid(2), authKey, sharedPayload(second, true, nowNonce()+1, one)))
		time.Sleep(time.Second)
		w.write("policy.yaml", strings.Replace(exactPolicy, "to: bob", "to: [bob, carol]", 1))
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		heard := script.heard() // in either order
		if len(heard) != 2 || errorText(heard[0], authKey)+errorText(heard[1], authKey) != protocol.TextBusy {
			t.Errorf("%v", heard)
		}
		w.node.FailAlways(accountsMethod, nodetest.Fault{})
		time.Sleep(16 * time.Second)
		sharedAnswer(t, script.ask(request("sign_req", uuid(3), authKey, sharedPayload(second, true, nowNonce(), one))),
			authKey)
		if n := w.chain.Count(exactID(t, second)); n != 1 || len(w.chain.Transactions()) != 1 {
			t.Errorf("on the chain %d times", n)
		}
	})
}
