package agent_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/config"
	"pksa/agent/node/nodetest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// commentOfSize is a comment that makes a transaction of that many bytes, with its signature.
func commentOfSize(size int) string {
	const rest = 96 // 30 of them around the body, 66 for the signature
	return `["comment",{"parent_author":"","parent_permlink":"x","author":"alice","permlink":"p","title":"t","body":"` +
		strings.Repeat("b", size-rest) + `","json_metadata":""}]`
}

// Operations that are not allowed, not known, or not to be signed by anybody.
func TestRefusedOperations(t *testing.T) {
	cases := []struct{ name, keyType, ops, want, text string }{
		{"not allowed", "posting", `["comment",{"parent_author":"","parent_permlink":"x","author":"alice",` +
			`"permlink":"p","title":"t","body":"b","json_metadata":""}]`, "nack", ""},
		{"unknown name", "posting", `["become_rich",{}]`, "nack", protocol.TextNotSupported},
		{"owner level", "active", `["change_recovery_account",{"account_to_recover":"alice",` +
			`"new_recovery_account":"mallory","extensions":[]}]`, "nack", protocol.TextNotSupported},
		{"posting key for a transfer", "posting",
			`["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":""}]`, "nack", ""},
		{"another account's money", "active",
			`["transfer",{"from":"bob","to":"alice","amount":"1.000 HIVE","memo":""}]`, "nack", ""},
		{"plain memo", "active", `["transfer",{"from":"alice","to":"bob","amount":"1.000 HIVE","memo":"#secret"}]`,
			"nack", ""},
		{"unknown field", "posting", `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":1,"extra":1}]`,
			"nack", protocol.TextInvalid},
		{"as large as can be", "posting", commentOfSize(65280), "nack", ""}, // well formed; no rule allows it
		{"too large by one byte", "posting", commentOfSize(65281), "nack", protocol.TextNotSupported},
		{"STEEM", "active", `["transfer",{"from":"alice","to":"bob","amount":"1.000 STEEM","memo":""}]`, "nack",
			protocol.TextInvalid},
	}
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i, c := range cases {
			payload := fmt.Sprintf(`{"key_type":%q,"ops":[%s],"broadcast":true,"nonce":%d}`, c.keyType, c.ops,
				nowNonce()+int64(i))
			m := script.ask(request("sign_req", uuid(i), authKey, payload))
			if got := answerKind(m); got != c.want || (c.text != "" && errorText(m, authKey) != c.text) {
				t.Errorf("%s: %s %q, want %s %q", c.name, got, errorText(m, authKey), c.want, c.text)
			}
		}
		if alarms := w.events("alarm"); len(alarms) != 0 {
			t.Errorf("alarms: %+v", alarms)
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
	})
}

// The same operations many times a second do not make us look for a free second for ever.
func TestSameOperationsInABurst(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		texts := map[string]int{}
		for i := range 90 {
			m := script.ask(request("sign_req", uuid(100+i), authKey, strings.Replace(votePayload("p", nowNonce()),
				`"broadcast":true`, `"broadcast":false`, 1)))
			texts[answerKind(m)+errorText(m, authKey)]++
		}
		if texts["nack"+protocol.TextBusy] == 0 || texts["ack"] < 60 {
			t.Errorf("%v", texts)
		}
	})
}

func TestSignOnly(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		q := vote("mine")
		q.SignOnly = true
		signed, err := c.Sign(t.Context(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(signed.Keys) != 1 || signed.Keys[0] != keyOf("alice", hive.Posting).Public() ||
			w.chain.Count(signed.ID) != 0 {
			t.Errorf("signed only: %+v, on chain %d times", signed, w.chain.Count(signed.ID))
		}
		var tx struct{ Signatures []string }
		if err := json.Unmarshal(signed.Transaction, &tx); err != nil || len(tx.Signatures) != 1 {
			t.Errorf("transaction: %s, %v", signed.Transaction, err)
		}
	})
}

// Two equal requests in the same second are two transactions.
func TestEqualOperationsDiffer(t *testing.T) {
	within(t, worldOptions{}, func(t *testing.T, w *world) {
		c := w.dial()
		s := w.login(c)
		one, err := c.Sign(t.Context(), s, vote("same"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := c.Sign(t.Context(), s, vote("same"))
		if err != nil {
			t.Fatal(err)
		}
		if one.ID == two.ID {
			t.Error("two requests were answered with one transaction")
		}
	})
}

// While no node answers, what would be allowed fails and what is denied is still refused.
func TestNoNode(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for _, method := range []string{"condenser_api.get_dynamic_global_properties", "condenser_api.get_block_header",
			"database_api.get_version"} {
			w.node.FailAlways(method, nodetest.Fault{Refuse: true})
		}
		time.Sleep(5 * time.Minute) // the head in the cache is too old by now
		m := script.ask(request("sign_req", uuid(1), authKey, votePayload("p", nowNonce())))
		if errorText(m, authKey) != protocol.TextBroadcastNoNode {
			t.Errorf("allowed: %s %q", answerKind(m), errorText(m, authKey))
		}
		transfer := strings.Replace(votePayload("p", nowNonce()+1), `"posting"`, `"active"`, 1)
		if got := answerKind(script.ask(request("sign_req", uuid(2), authKey, transfer))); got != "nack" {
			t.Errorf("denied: %s", got)
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
	})
}

// A request has as many operations as the setting allows, and one more is "not supported". Its
// nonce is used up all the same.
func TestOperationsOfOneRequest(t *testing.T) {
	script := &scriptedClient{}
	within(t, worldOptions{fault: script.fault, configure: func(c *config.Config) { c.Operations = 3 },
		prepare: func(w *world) { w.session(authKey) }}, func(t *testing.T, w *world) {
		nonce := nowNonce()
		of := func(n int) string {
			op := `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":100}]`
			return fmt.Sprintf(`{"key_type":"posting","ops":[%s],"broadcast":true,"nonce":%d}`,
				strings.Join(slices.Repeat([]string{op}, n), ","), nonce+int64(n))
		}
		for n, want := range map[int]string{2: "ack", 3: "ack"} {
			nonce += 10
			if got := answerKind(script.ask(request("sign_req", uuid(n), authKey, of(n)))); got != want {
				t.Errorf("%d operations: %s", n, got)
			}
		}
		nonce += 10
		q := request("sign_req", uuid(4), authKey, of(4))
		if text := errorText(script.ask(q), authKey); text != protocol.TextNotSupported {
			t.Errorf("4 operations: %q", text)
		}
		if last := w.lastJudged(); last.Code != "unsupported" || !strings.Contains(last.Reason,
			"limits.operations is 3") {
			t.Errorf("4 operations: %q, %s", last.Code, last.Reason)
		}
		if n := len(w.chain.Transactions()); n != 2 {
			t.Errorf("%d transactions", n)
		}
		if trail := w.requests(); !trail[len(trail)-1].Undecided {
			t.Error("what was not read counts as judged by the policy")
		}
	})
}
