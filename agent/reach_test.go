package agent_test

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/probe"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// callers of all that is between a request and a key, as examples/docs/threats.md shows them. A
// way to a signature that is not here is a decision: it has to be granted by the one commit, stand
// in that table, and in TestRefusedByEveryWay.
var callers = map[string]string{
	// The methods of a key that sign, decrypt, or prove who we are.
	"Sign":          "room sign", // room asks for the sign of a number
	"SignCanonical": "prove",
	"DecodeMemo":    "prove",
	"Prove":         "Proving", // encrypts a time, or a uuid of checked form, for a relay: signs nothing
	// Who gets a key.
	"keys.Key": "decide provingKey reach", // decide looks whether it is held
	"reach":    "prove sign",
	// Who asks for that.
	"prove":           "answerAuth answerChallenge",
	"sign":            "carryOut",
	"carryOut":        "serveSign",
	"collect":         "carryOut", // adds signatures of others, and makes none
	"answerChallenge": "serveChallenge",
	"answerAuth":      "serveAuth",
	// Who says that a commit allows a request, and who looks.
	".admitted": "reach ruled",
}

// TestOneFunctionReachesTheKey reads the source: what signs gets its keys from one function, which
// takes nothing but what the ledger has as granted.
func TestOneFunctionReachesTheKey(t *testing.T) {
	found := map[string]map[string]bool{}
	add := func(callee, caller string) {
		if _, asked := callers[callee]; asked {
			if found[callee] == nil {
				found[callee] = map[string]bool{}
			}
			found[callee][caller] = true
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			where := "a variable"
			if f, ok := declared.(*ast.FuncDecl); ok {
				where = f.Name.Name
			}
			ast.Inspect(declared, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr: // called, or handed on to be called
					add("."+n.Sel.Name, where)
					if of, ok := n.X.(*ast.Ident); ok && (of.Name == "policy" || of.Name == "protocol") {
						break // the kinds of requests: policy.Sign
					}
					add(n.Sel.Name, where)
					if of, ok := n.X.(*ast.SelectorExpr); ok {
						add(of.Sel.Name+"."+n.Sel.Name, where)
					}
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok {
						add("."+key.Name, where)
					}
				}
				return true
			})
		}
	}
	for callee, want := range callers {
		if got := strings.Join(slices.Sorted(maps.Keys(found[callee])), " "); got != want {
			t.Errorf("%s is used by %q, and the table says %q", callee, got, want)
		}
	}
}

// TestRefusedByEveryWay sends a payment that the policy refuses down each way that leads to a
// signature, as it is and dressed as something that the policy allows. None of them signs.
func TestRefusedByEveryWay(t *testing.T) {
	const policy = `version: 1
allow:
  - {name: login, request: auth, apps: any, session: 24h}
  - {name: votes, request: sign, apps: any, operations: [vote], broadcast: any, transaction_by: any}
  - name: friends
    request: sign
    apps: any
    key: active
    broadcast: any
    transaction_by: any
    operations: [{transfer: {to: bob, amount: {max: 1.000 HIVE}}}]
  - {name: texts, request: challenge, apps: any, key: [posting, active], text: {glob: 'honest *'}}
`
	const fields = `{"from":"alice","to":"mallory","amount":"1.000 HIVE","memo":"honest"}`
	const tagged = `{"type":"transfer_operation","value":{"from":"alice","to":"mallory","amount":{"amount":"1000",` +
		`"precision":3,"nai":"@@000000021"},"memo":"honest"}}`
	const refused, unsupported, invalid = protocol.TextRefused, protocol.TextNotSupported, protocol.TextInvalid
	const voting = `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":100}]`
	legacy := `["transfer",` + fields + `]`
	packed := strings.Repeat("\x00", 32) + "transfer\x00" // on a chain whose id is text
	sign := func(keyType, body string) string { return fmt.Sprintf(`{"key_type":%q,%s`, keyType, body) }
	text := func(keyType, text string) string {
		return fmt.Sprintf(`{"key_type":%q,"challenge":%s`, keyType, hive.AppendString(nil, text))
	}
	withScript(t, policy, func(t *testing.T, w *world, script *scriptedClient) {
		whole := w.exactTx(30*time.Minute, legacy)
		friend := strings.Replace(legacy, "mallory", "bob", 1)
		pair := w.exactTx(30*time.Minute, friend, legacy)
		// A signature that the chain would take beside ours, and one that it would take alone.
		others := `"signatures":["` + signedBy(t, keeper("one"), whole) + `","` +
			signedBy(t, keyOf("alice", hive.Active), whole) + `"],`
		// What is refused comes as far as the rules. The rest asks for nothing that they know.
		ways := []struct{ text, cmd, payload string }{ // the payload lacks nonce and closing brace
			{refused, "sign_req", sign("active", `"ops":[`+legacy+`],"broadcast":true`)},
			{refused, "sign_req", sign("active", `"ops":[`+legacy+`],"broadcast":false`)},
			{refused, "sign_req", sign("active", `"ops":[`+tagged+`],"broadcast":true`)},
			{refused, "sign_req", sign("posting", `"ops":[`+legacy+`],"broadcast":true`)},
			{refused, "sign_req", sign("active", `"ops":[`+voting+`,`+legacy+`],"broadcast":true`)},
			{refused, "sign_req", sign("active", `"ops":[`+friend+`,`+legacy+`],"broadcast":true`)},
			{unsupported, "sign_req", sign("active", `"ops":[["proposal_create",`+fields+`]],"broadcast":true`)},
			{refused, "sign_req", sign("active", `"tx":`+whole+`,"broadcast":true`)},
			{refused, "sign_req", sign("active", `"tx":`+pair+`,"broadcast":false`)},
			{refused, "sign_req", sign("active", `"tx":`+pair+`,"signatures":[],"broadcast":false`)},
			{invalid, "sign_req", sign("posting", `"ops":[`+voting+`],"tx":`+whole+`,"broadcast":true`)},
			{refused, "sign_req", sign("active", `"tx":`+whole+`,`+others+`"broadcast":true`)},
			{refused, "sign_req", sign("active", `"tx":`+whole+`,`+others+`"broadcast":false`)},
			{refused, "sign_req", sign("active", `"tx":`+whole+`,"signatures":[],"broadcast":false`)},
			{invalid, "sign_req", sign("active", `"ops":[`+legacy+`],`+others+`"broadcast":true`)},
			{invalid, "sign_req", sign("posting", `"ops":[`+voting+`],"tx":`+whole+`,`+others+`"broadcast":true`)},
			{refused, "challenge_req", text("active", whole)},
			{refused, "challenge_req", text("active", packed)},
			{refused, "challenge_req", text("posting", legacy)},
			{invalid, "challenge_req", text("active", whole) + `,"decrypt":true`},
			{invalid, "challenge_req", sign("active", `"ops":[`+legacy+`],"broadcast":true`)}, // of another kind
			{invalid, "sign_req", text("active", whole)},
			{refused, "auth_req", `{"app":{"name":"a"},"challenge":` + text("active", whole) + `}`},
			{refused, "auth_req", `{"app":{"name":"a"},"challenge":` + text("active", packed) + `}`},
			{refused, "auth_req", `{"app":{"name":"a"},"challenge":` + text("active", "honest "+packed) + `}`},
		}
		before := w.granted()
		for i, way := range ways {
			payload := way.payload + "}"
			if way.cmd != "auth_req" {
				payload = fmt.Sprintf(`%s,"nonce":%d}`, way.payload, nowNonce()+int64(i))
			}
			m := script.ask(request(way.cmd, uuid(i), authKey, payload))
			if got := errorText(m, authKey); answerKind(m) != "nack" || got != way.text {
				t.Errorf("%s %s: %s %q, wanted %q", way.cmd, payload, answerKind(m), got, way.text)
			}
		}
		// As a probe, which is answered without policy and key: nobody's who has not our seal.
		q := request("challenge_req", uuid(100), authKey, text("active", whole)+"}")
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		q["data"] = probe.Seal(foreign, "alice", probe.Message{Nonce: probe.NewID()})
		if got := answerKind(script.ask(q)); got != "nothing" {
			t.Errorf("probe: %s", got)
		}
		if n := len(w.chain.Transactions()); n != 0 {
			t.Errorf("%d transactions", n)
		}
		if n := w.granted() - before; n != 0 {
			t.Errorf("%d requests were granted", n)
		}
		// The same ways are open for what is allowed.
		allowed := w.exactTx(30*time.Minute, friend)
		for i, way := range []struct{ cmd, payload string }{
			{"challenge_req", text("active", "honest x")},
			{"sign_req", sign("active", `"ops":[`+friend+`],"broadcast":false`)},
			{"sign_req", sign("active", `"tx":`+allowed+`,"broadcast":false`)},
			{"sign_req", sign("active", `"tx":`+allowed+`,"signatures":["`+signedBy(t, keeper("one"), allowed)+
				`"],"broadcast":false`)},
			{"sign_req", sign("active", `"tx":`+allowed+`,"broadcast":true`)},
		} {
			payload := fmt.Sprintf(`%s,"nonce":%d}`, way.payload, nowNonce()+1000+int64(i))
			if m := script.ask(request(way.cmd, uuid(101+i), authKey, payload)); answerKind(m) != "ack" {
				t.Errorf("what is allowed: %s %s: %s %q", way.cmd, payload, answerKind(m), errorText(m, authKey))
			}
		}
	})
	// To a web server that asks for it (402), by an application that agrees to whatever it asks.
	within(t, worldOptions{policy: policy}, func(t *testing.T, w *world) {
		shop := &paidPage{w, "mallory", "1.000 HIVE"}
		payer := shop.payer()
		before := w.granted()
		if payment, err := shop.buy(payer, 1_000_000, hive.HIVE); !refusedPayment(payment, err) {
			t.Errorf("402: %+v, %v", payment, err)
		}
		if n := w.granted() - before; n != 0 || len(w.chain.Transactions()) != 0 {
			t.Errorf("402: %d requests were granted", n)
		}
		shop.to = "bob"
		if payment, err := shop.buy(payer, 1_000_000, hive.HIVE); err != nil || payment == nil {
			t.Errorf("what is allowed: 402: %+v, %v", payment, err)
		}
	})
}

// TestEveryWayStandsInTheTable: readers find each way to a signature that is tried, with its test.
func TestEveryWayStandsInTheTable(t *testing.T) {
	text, err := os.ReadFile("../examples/docs/threats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Every way to a signature")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, way := range []string{"| transaction: `sign_req`", "`sign_req` with `tx` |",
		"`sign_req` with `tx` and `signatures` |",
		"(402): `agent/client/x402` |", "| text: `challenge_req` |", "| login with a text: `auth_req` |",
		"| memo: `challenge_req` with `decrypt` |", "| probe for a second copy |"} {
		_, row, found := strings.Cut(section, way)
		if row, _, _ = strings.Cut(row, "\n"); !found || !strings.Contains(row, "`agent TestRefusedByEveryWay`") {
			t.Errorf("%s has no row with the test", way)
		}
	}
}

// granted returns how many requests the trail has as admitted.
func (w *world) granted() (n int) {
	for _, r := range w.requests() {
		if r.Admitted {
			n++
		}
	}
	return n
}
