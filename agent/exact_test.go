package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

const exactPolicy = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - name: pay
    request: sign
    apps: any
    key: active
    operations: [transfer: {to: bob}]
    broadcast: any
    transaction_by: application
limits:
  - {name: spent, apps: any, per: [app], spend: 5.000 HIVE per 24h}
`

// transferToBob is a transfer to bob, in either form of the chain.
func transferToBob(amount int, memo string, tagged bool) string {
	if tagged {
		return fmt.Sprintf(`{"type":"transfer_operation","value":{"from":"alice","to":"bob","amount":`+
			`{"amount":"%d000","precision":3,"nai":"@@000000021"},"memo":%q}}`, amount, memo)
	}
	return fmt.Sprintf(`["transfer",{"from":"alice","to":"bob","amount":"%d.000 HIVE","memo":%q}]`, amount, memo)
}

// exactTx is a transaction as an application makes it, that lives for some time from now on.
func (w *world) exactTx(life time.Duration, ops ...string) string {
	num, prefix := w.chain.Reference()
	return fmt.Sprintf(`{"ref_block_num":%d,"ref_block_prefix":%d,"expiration":%q,"operations":[%s],"extensions":[]}`,
		num, prefix, hive.TimeOf(time.Now().Add(life)), strings.Join(ops, ","))
}

// While no node answers, a transaction that an app made is signed if that is all it wants: its
// expiration is compared with this machine's clock, and its reference block with nothing.
func TestExactWithoutAHead(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.node.FailAlways("", nodetest.Refused)
		time.Sleep(5 * time.Minute) // the head in the cache is too old by now
		tx := w.exactTx(30*time.Minute, transferToBob(1, "signed", false))
		m := script.ask(request("sign_req", uuid(1), authKey, exactPayload(tx, true, nowNonce())))
		if got := errorText(m, authKey); got != protocol.TextBroadcastNoNode || w.granted() != 0 {
			t.Errorf("to be broadcast: %s %q", answerKind(m), got)
		}
		m = script.ask(request("sign_req", uuid(2), authKey, exactPayload(tx, false, nowNonce()+1)))
		data := sharedAnswer(t, m, authKey)
		if data.ID != exactID(t, tx) || len(data.Signatures) != 1 {
			t.Errorf("signed: %+v", data)
		}
		num, _ := w.chain.Reference()
		zero := strings.Replace(tx, fmt.Sprintf(`"ref_block_num":%d`, num), `"ref_block_num":0`, 1)
		sharedAnswer(t, script.ask(request("sign_req", uuid(3), authKey, exactPayload(zero, false, nowNonce()+2))),
			authKey)
		late := w.exactTx(2*time.Hour, transferToBob(1, "signed", false))
		m = script.ask(request("sign_req", uuid(4), authKey, exactPayload(late, false, nowNonce()+3)))
		if got := errorText(m, authKey); got != protocol.TextNotSupported {
			t.Errorf("two hours ahead: %s %q", answerKind(m), got)
		}
	})
}

func exactPayload(tx string, broadcast bool, nonce int64) string {
	return fmt.Sprintf(`{"key_type":"active","tx":%s,"broadcast":%t,"nonce":%d}`, tx, broadcast, nonce)
}

// exactID is the id of a transaction of JSON.
func exactID(t *testing.T, tx string) hive.TxID {
	t.Helper()
	return hive.TransactionID(packedOf(t, tx))
}

// txOf reads a transaction of JSON.
func txOf(t *testing.T, tx string) hive.Transaction {
	t.Helper()
	parsed, err := hive.Mainnet.ParseTransaction([]byte(tx))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Transaction
}

// packedOf returns the bytes of a transaction of JSON.
func packedOf(t *testing.T, tx string) []byte {
	t.Helper()
	packed, err := hive.Mainnet.Serialize(txOf(t, tx))
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func openedBy(t *testing.T, key, sealed string) string {
	t.Helper()
	clear, err := relaytest.Open(key, sealed)
	if err != nil {
		t.Fatal(err)
	}
	return clear
}

// signatureIn opens the sealed answer: it has id and signatures, and nothing that a request has.
func signatureIn(t *testing.T, m protocol.Message, key string) (id, signature string) {
	t.Helper()
	ack, ok := m.(protocol.Ack)
	if !ok {
		t.Fatalf("%s %q", answerKind(m), errorText(m, key))
	}
	sealed, ok := ack.SealedSignature()
	if !ok {
		t.Fatalf("not sealed: %s", ack.Data)
	}
	clear := openedBy(t, key, sealed)
	data, err := protocol.DecodeSignAckData([]byte(clear))
	if err != nil || len(data.Signatures) != 1 || data.Missing != nil { // who does not ask is not told
		t.Fatalf("%s: %v", clear, err)
	}
	for _, decode := range []func() error{
		func() error { _, err := protocol.DecodeSignReqData([]byte(clear)); return err },
		func() error { _, err := protocol.DecodeChallengeReqData([]byte(clear)); return err },
		func() error { _, err := protocol.DecodeAuthReqData([]byte(clear)); return err },
	} {
		if decode() == nil {
			t.Errorf("the answer is a request: %s", clear)
		}
	}
	return data.ID.String(), data.Signatures[0].String()
}

// What was charged comes again so often, and then no more: a repeat counts in no limit. Another app
// has its own.
func TestExactAgain(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		uuids := 0
		tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		ask := func(key string) protocol.Message {
			uuids++
			time.Sleep(time.Second)
			return script.ask(request("sign_req", uuid(uuids), key, exactPayload(tx, false, nowNonce())))
		}
		_, signature := signatureIn(t, ask(authKey), authKey)
		for n := range 16 {
			if _, again := signatureIn(t, ask(authKey), authKey); again != signature {
				t.Errorf("repeat %d: %s", n+1, again)
			}
		}
		for range 2 {
			if text := errorText(ask(authKey), authKey); text != protocol.TextRefused {
				t.Errorf("once more: %q", text)
			}
		}
		if _, other := signatureIn(t, ask(otherKey), otherKey); other != signature {
			t.Errorf("another app: %s", other)
		}
	})
}

// What an app makes and may not have takes no place among the ids that are kept.
func TestExactTakesAnIDOnceAllowed(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		for n, c := range []struct {
			tx        string
			broadcast bool
			want      int
		}{
			{w.exactTx(time.Minute, transferToBob(6, "above the limit", false)), false, 0},
			{tx, false, 1}, {tx, true, 1}, {w.exactTx(time.Minute, transferToBob(3, "two", false)), true, 1},
		} {
			time.Sleep(time.Millisecond)
			script.ask(request("sign_req", uuid(n+1), authKey, exactPayload(c.tx, c.broadcast, nowNonce())))
			if got := w.agent.RecentIDs(); got != c.want {
				t.Errorf("request %d: %d ids are kept, want %d", n+1, got, c.want)
			}
		}
		w.agent.FillRecentIDs("app")
		for n, c := range []struct{ key, want string }{{authKey, protocol.TextBusy}, {otherKey, ""}} {
			m := script.ask(request("sign_req", uuid(n+10), c.key, exactPayload(tx, false, nowNonce())))
			if got := errorText(m, c.key); got != c.want {
				t.Errorf("with all ids of one app: %q, want %q", got, c.want)
			}
		}
	})
}

// Of transactions whose outcome nobody tells, those that apps made have a share, and each app has
// one of that: the wallet's own are broadcast all the same.
func TestUncertainOfAppsHaveAShare(t *testing.T) {
	for _, c := range []struct {
		app, others, bytes int
		busy               bool
	}{
		{511, 0, 0, false}, {512, 0, 0, true}, {513, 0, 0, true},
		{0, 2047, 0, false}, {0, 2048, 0, true}, {0, 2049, 0, true},
		{1, 0, 2<<20 - 1, false}, {1, 0, 2 << 20, true}, {1, 0, 2<<20 + 1, true},
	} {
		waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
			const app = "app"
			w.agent.AddUncertain(app, c.app, c.bytes)
			w.agent.AddUncertain("others", c.others, 0)
			tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
			m := script.ask(request("sign_req", uuid(1), authKey, exactPayload(tx, true, nowNonce())))
			if busy := errorText(m, authKey) == protocol.TextBusy; busy != c.busy || !busy && answerKind(m) != "ack" {
				t.Errorf("%+v: %s %q", c, answerKind(m), errorText(m, authKey))
			}
			if w.agent.UncertainFull() {
				t.Errorf("%+v: the wallet's own have no room", c)
			}
			w.agent.AddUncertain(app, -c.app, -c.bytes)
			w.agent.AddUncertain("others", -c.others, 0)
			m = script.ask(request("sign_req", uuid(2), authKey, exactPayload(tx, true, nowNonce()+1)))
			if answerKind(m) != "ack" {
				t.Errorf("later: %s %q", answerKind(m), errorText(m, authKey))
			}
		})
	}
}

// One that an app made, and whose outcome nobody tells, counts as that app's.
func TestUncertainOfAnApp(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{Reset: true})
		}
		tx := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		m := script.askFor(request("sign_req", uuid(1), authKey, exactPayload(tx, true, nowNonce())), 2*time.Minute)
		if got := w.agent.UncertainOf("app"); got != 1 || w.agent.Uncertain() != 1 {
			t.Errorf("%q: %d of the app, %d of all", errorText(m, authKey), got, w.agent.Uncertain())
		}
		for _, method := range silentMethods {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.eventuallyWithin(10*time.Minute, "outcome", func() bool { return w.agent.Uncertain() == 0 })
		if got := w.agent.UncertainOf("app"); got != 0 {
			t.Errorf("%d of the app are left", got)
		}
	})
}

// The transaction that an application made is signed as it is. Brought again, it gets the same
// signature and costs nothing more, also signed alone after it was broadcast, and after a restart;
// another app pays for itself. When it has expired, nobody gets a signature.
func TestExactTransaction(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		n := 0
		ask := func(key, tx string, broadcast bool) protocol.Message {
			n++
			time.Sleep(time.Millisecond)
			return script.ask(request("sign_req", uuid(n), key, exactPayload(tx, broadcast, nowNonce())))
		}
		refused := func(key string, amount int, memo string) string {
			return errorText(ask(key, w.exactTx(time.Minute, transferToBob(amount, memo, false)), false), key)
		}
		first := w.exactTx(30*time.Minute, transferToBob(3, "one", false))
		id, signature := signatureIn(t, ask(authKey, first, false), authKey)
		if want := exactID(t, first); id != want.String() || w.chain.Count(want) != 0 {
			t.Errorf("id %s, want %s, on the chain %d times", id, want, w.chain.Count(want))
		}
		// The other form is the same transaction.
		same := strings.Replace(first, transferToBob(3, "one", false), transferToBob(3, "one", true), 1)
		for i := range 2 {
			againID, again := signatureIn(t, ask(authKey, same, i == 1), authKey)
			if againID != id || again != signature {
				t.Errorf("again: %s %s, want %s %s", againID, again, id, signature)
			}
		}
		if got := w.chain.Count(exactID(t, first)); got != 1 {
			t.Errorf("on the chain %d times", got)
		}
		// 2 HIVE are left, for this app; the other has all of its own.
		if text := refused(authKey, 3, "two"); text != protocol.TextRefused {
			t.Errorf("above the limit: %q", text)
		}
		if _, other := signatureIn(t, ask(otherKey, first, false), otherKey); other != signature {
			t.Errorf("another app got another signature: %s", other)
		}
		if text := refused(otherKey, 3, "three"); text != protocol.TextRefused {
			t.Errorf("the other app was not charged: %q", text)
		}
		signatureIn(t, ask(authKey, w.exactTx(time.Minute, transferToBob(2, "rest", false)), true), authKey)

		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		w.openLedger()
		w.start()
		if _, again := signatureIn(t, ask(authKey, first, false), authKey); again != signature {
			t.Errorf("after the restart: %s", again)
		}
		if text := refused(authKey, 1, "none left"); text != protocol.TextRefused {
			t.Errorf("nothing is left: %q", text)
		}
		// The policy in force judges it each time.
		w.write("policy.yaml", strings.Replace(exactPolicy, "to: bob", "to: carol", 1))
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text := errorText(ask(authKey, first, false), authKey); text != protocol.TextRefused {
			t.Errorf("denied by now: %q", text)
		}
		w.write("policy.yaml", exactPolicy)
		if err := w.agent.ReloadPolicy(t.Context()); err != nil {
			t.Fatal(err)
		}
		signatureIn(t, ask(authKey, first, false), authKey)
		time.Sleep(30*time.Minute + 10*time.Second) // the chain is some seconds behind
		if text := errorText(ask(authKey, first, false), authKey); text != protocol.TextNotSupported {
			t.Errorf("expired: %q; the trail says %q", text, w.lastJudged().Reason)
		}
	})
}

// What was signed counts until it can be carried out no more, and then as long as if it were
// charged at that time: whenever all of it is, no window of the chain has more than the limit. So
// it is after a restart.
func TestExactTransactionCountsUntilItExpires(t *testing.T) {
	policy := strings.Replace(exactPolicy, "per 24h", "per 10m", 1)
	for _, restarts := range []bool{false, true} {
		waitingWorld(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
			begun, n := time.Now(), 0
			for _, c := range []struct {
				at   time.Duration // from the beginning on
				life time.Duration
				want string
			}{
				{0, 30 * time.Minute, ""}, // until 40m
				{11 * time.Minute, time.Minute, protocol.TextRefused},
				{29 * time.Minute, time.Minute, protocol.TextRefused},
				{39 * time.Minute, time.Minute, protocol.TextRefused},
				{41 * time.Minute, time.Minute, ""}, // until 52m
				{51 * time.Minute, time.Minute, protocol.TextRefused},
				{53 * time.Minute, time.Minute, ""},
			} {
				time.Sleep(time.Until(begun.Add(c.at)))
				if restarts && n == 1 {
					w.end()
					if err := w.ledger.Close(); err != nil {
						t.Fatal(err)
					}
					w.openLedger()
					w.start()
				}
				n++
				tx := w.exactTx(c.life, transferToBob(5, fmt.Sprint(n), false))
				m := script.ask(request("sign_req", uuid(n), authKey, exactPayload(tx, false, nowNonce())))
				if got := errorText(m, authKey); got != c.want {
					t.Errorf("restarts %t, at %s: %q, want %q: %s", restarts, c.at, got, c.want,
						w.lastJudged().Reason)
				}
				ends := txOf(t, tx).Expiration.Time()
				if got := w.lastJudged().Expires; !got.Equal(ends) {
					t.Errorf("at %s: the trail says that it expires at %s, want %s", c.at, got, ends)
				}
			}
		})
	}
}

// What ops forbids, tx forbids, and no transaction lives longer than the setting says.
func TestExactTransactionRefused(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		good := transferToBob(1, "", false)
		num, prefix := w.chain.Reference()
		number := fmt.Sprintf(`"ref_block_num":%d`, num)
		head := fmt.Sprintf(`%s,"ref_block_prefix":%d`, number, prefix)
		other := fmt.Sprintf(`%s,"ref_block_prefix":%d`, number, prefix+1)
		const owner = `["change_recovery_account",{"account_to_recover":"alice","new_recovery_account":"mallory",` +
			`"extensions":[]}]`
		tx := w.exactTx(time.Minute, good)
		swap := func(old, new string) string {
			changed := strings.Replace(tx, old, new, 1)
			if changed == tx {
				t.Fatalf("%q is not in %s", old, tx)
			}
			return changed
		}
		expiration := fmt.Sprintf(`"expiration":%q`, hive.TimeOf(time.Now().Add(time.Minute)))
		n := 0
		many := strings.Repeat(good+",", 200) + good
		for name, c := range map[string]struct{ tx, text string }{
			"too far ahead":     {w.exactTx(time.Hour+10*time.Second, good), protocol.TextNotSupported},
			"expired":           {w.exactTx(-3*time.Second, good), protocol.TextNotSupported},
			"no time":           {swap(expiration, `"expiration":"soon"`), protocol.TextInvalid},
			"no expiration":     {swap(expiration+",", ""), protocol.TextInvalid},
			"no operations":     {w.exactTx(time.Minute), protocol.TextInvalid},
			"block beyond":      {swap(number, `"ref_block_num":65536`), protocol.TextInvalid},
			"an extension":      {swap(`"extensions":[]`, `"extensions":[[0,{}]]`), protocol.TextInvalid},
			"signed":            {swap(`"extensions":[]`, `"signatures":["00"]`), protocol.TextInvalid},
			"a member more":     {swap(head, head+`,"x":1`), protocol.TextInvalid},
			"null":              {"null", protocol.TextInvalid},
			"ops beside":        {tx + `,"ops":[` + good + `]`, protocol.TextInvalid},
			"owner level":       {swap(good, owner), protocol.TextNotSupported},
			"unknown operation": {swap(good, `["become_rich",{}]`), protocol.TextNotSupported},
			"unknown field":     {swap(`"to":"bob"`, `"to":"bob","x":1`), protocol.TextInvalid},
			"another receiver":  {swap(`"to":"bob"`, `"to":"mallory"`), protocol.TextRefused},
			"plain memo":        {swap(`"memo":""`, `"memo":"#secret"`), protocol.TextRefused},
			"another's money":   {swap(`"from":"alice"`, `"from":"bob"`), protocol.TextRefused},
			"too many":          {w.exactTx(time.Minute, many), protocol.TextNotSupported},
			"another chain":     {swap(head, other), protocol.TextNotSupported},
			"control":           {tx, ""},
		} {
			n++
			time.Sleep(time.Millisecond)
			m := script.ask(request("sign_req", uuid(n), authKey, exactPayload(c.tx, false, nowNonce())))
			if name == "control" {
				signatureIn(t, m, authKey)
				continue
			}
			if got := errorText(m, authKey); answerKind(m) != "nack" || got != c.text {
				t.Errorf("%s: %s %q, want %q; the trail says %s", name, answerKind(m), got, c.text,
					w.lastJudged().Reason)
			}
		}
	})
}

// A policy that does not name transactions of applications lets none pass.
func TestExactTransactionIsNotAllowedByItself(t *testing.T) {
	waitingWorld(t, strings.Replace(exactPolicy, "    transaction_by: application\n", "", 1),
		func(t *testing.T, w *world, script *scriptedClient) {
			q := request("sign_req", uuid(1), authKey, exactPayload(w.exactTx(time.Minute,
				transferToBob(1, "", false)), true, nowNonce()))
			if text := errorText(script.ask(q), authKey); text != protocol.TextRefused {
				t.Errorf("%q", text)
			}
			if reason := w.lastJudged().Reason; !strings.Contains(reason, "transaction_by") {
				t.Errorf("the trail says %q", reason)
			}
		})
}

// Cut off after it was admitted, its application hears an err, brings it again, and has the
// signature without a second charge. Nothing is looked up or sent before.
func TestExactTransactionCutOff(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		w.config.StopTimeout = time.Second
		w.node.FailAlways(broadcastMethod, nodetest.Fault{Reset: true})
		w.node.FailAlways("transaction_status_api.find_transaction", nodetest.Fault{Refuse: true})
		w.node.FailAlways("condenser_api.get_transaction", nodetest.Fault{Refuse: true})
		tx := w.exactTx(30*time.Minute, transferToBob(4, "", false))
		q := request("sign_req", uuid(1), authKey, exactPayload(tx, true, nowNonce()))
		if m := script.askFor(q, 5*time.Second); m != nil {
			t.Fatalf("answered already: %s", answerKind(m))
		}
		w.end()
		if err := w.ledger.Close(); err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{broadcastMethod, "transaction_status_api.find_transaction",
			"condenser_api.get_transaction"} {
			w.node.FailAlways(method, nodetest.Fault{})
		}
		w.openLedger()
		w.start()
		if m := script.ask(q); answerKind(m) != "err" {
			t.Errorf("the cut off request: %s %q", answerKind(m), errorText(m, authKey))
		}
		m := script.ask(request("sign_req", uuid(2), authKey, exactPayload(tx, true, nowNonce())))
		if id, _ := signatureIn(t, m, authKey); id != exactID(t, tx).String() {
			t.Errorf("id %s", id)
		}
		if n := w.chain.Count(exactID(t, tx)); n != 1 {
			t.Errorf("on the chain %d times", n)
		}
	})
}

// A person who is asked about it is told until when it can be included.
func TestExactTransactionIsAskedAbout(t *testing.T) {
	asks := strings.Replace(exactPolicy, "  - name: pay\n", "ask:\n  - name: pay\n", 1)
	waitingWorld(t, asks, func(t *testing.T, w *world, script *scriptedClient) {
		tx := w.exactTx(30*time.Minute, transferToBob(1, "", false))
		parsed, err := hive.Mainnet.ParseTransaction([]byte(tx))
		if err != nil {
			t.Fatal(err)
		}
		script.sayAll(request("sign_req", uuid(1), authKey, exactPayload(tx, false, nowNonce())))
		w.eventually("a question", func() bool { return len(w.pending()) == 1 })
		waiting := w.pending()
		want := "until " + parsed.Expiration.Time().Format(time.RFC3339)
		if !strings.Contains(waiting[0].Reason, want) {
			t.Errorf("shown is %q, want %q", waiting[0].Reason, want)
		}
		if err := w.decide(waiting[0].Number, true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		heard := script.heard()
		if len(heard) != 1 {
			t.Fatalf("%d answers", len(heard))
		}
		signatureIn(t, heard[0], authKey)
	})
}

// What the chain refuses now it may take later, as long as the transaction lives: no nack promises
// that it will not. Its application can ask again.
func TestExactTransactionRefusedByTheChain(t *testing.T) {
	waitingWorld(t, exactPolicy, func(t *testing.T, w *world, script *scriptedClient) {
		tx := w.exactTx(30*time.Minute, transferToBob(1, "", false))
		w.chain.Change("alice", func(a *nodetest.Account) { a.HIVE = 0 })
		m := script.ask(request("sign_req", uuid(1), authKey, exactPayload(tx, true, nowNonce())))
		if answerKind(m) != "err" || errorText(m, authKey) != protocol.TextBroadcastBalance {
			t.Errorf("%s %q", answerKind(m), errorText(m, authKey))
		}
		w.chain.Change("alice", func(a *nodetest.Account) { a.HIVE = 1000 })
		time.Sleep(10 * time.Second)
		signatureIn(t, script.ask(request("sign_req", uuid(2), authKey, exactPayload(tx, true, nowNonce()))), authKey)
		if n := w.chain.Count(exactID(t, tx)); n != 1 {
			t.Errorf("on the chain %d times", n)
		}
	})
}

// An application asks at the login whether it may send whole transactions, and sends none to a
// wallet that did not say so.
func TestClientSignsExactly(t *testing.T) {
	longest := func(c *config.Config) { c.TransactionLife = 24 * time.Hour }
	within(t, worldOptions{policy: exactPolicy, configure: longest},
		func(t *testing.T, w *world) {
			tx := json.RawMessage(w.exactTx(20*time.Hour, transferToBob(1, "", true)))
			plain := w.dial()
			s := w.login(plain)
			r := client.ExactRequest{Role: hive.Active, Transaction: tx}
			if _, err := plain.SignExact(t.Context(), s, r); !errors.Is(err, client.ErrNoExact) {
				t.Errorf("not asked for: %v", err)
			}
			c, err := client.Dial(t.Context(), client.Options{Relay: w.relay.URL, Plaintext: true,
				DialContext: w.relay.DialContext, App: protocol.AppInfo{Name: "test", Exact: true}, Logger: w.log})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			kept, err := w.login(c).Save()
			if err != nil {
				t.Fatal(err)
			}
			s, err = client.LoadSession(kept)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				signed, err := c.SignExact(t.Context(), s, r)
				if err != nil {
					t.Fatal(err)
				}
				if signed.ID != exactID(t, string(tx)) || len(signed.Keys) != 1 ||
					signed.Keys[0] != keyOf("alice", hive.Active).Public() || w.chain.Count(signed.ID) != 1 {
					t.Errorf("%+v", signed)
				}
			}
		})
}
