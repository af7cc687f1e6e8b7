package agent_test

import (
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// A relay that refuses the proof of an answer has the keys compared with the chain at once, and the
// trail tells that the answer was not taken.
func TestRefusedAnswer(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		w.eventually("first comparison of the keys",
			func() bool { return w.node.Calls("condenser_api.get_accounts") > 0 })
		w.chain.Change("alice", func(a *nodetest.Account) { a.Memo = keyOf("bob", hive.Memo).Public() })
		if got := answerKind(script.ask(request("sign_req", uuid(1), authKey,
			votePayload("p", nowNonce())))); got != "ack" {
			t.Fatal(got)
		}
		calls := w.node.Calls("condenser_api.get_accounts")
		for range 5 {
			script.say([]byte(`{"cmd":"error","error":"invalid proof of key"}`))
		}
		time.Sleep(time.Second)
		if wrong := w.agent.Status().Accounts[0].Wrong; len(wrong) != 1 || !strings.HasPrefix(wrong[0], "memo: ") {
			t.Errorf("status says %q", wrong)
		}
		if n := w.node.Calls("condenser_api.get_accounts") - calls; n > 2 {
			t.Errorf("%d questions to the node", n)
		}
		got := w.events("answer refused by a relay")
		if len(got) != 1 || got[0].Account != "alice" || !strings.Contains(string(got[0].Content), uuid(1)) ||
			!strings.Contains(string(got[0].Content), `"certain":true`) {
			t.Errorf("records: %+v", got)
		}
		// The outcome says "accepted", and was committed before the relay refused the answer:
		// whoever reads about the request finds the refusal with it.
		page, err := w.trail().Page(t.Context(), audit.Query{Filter: audit.Filter{Kind: "request"}})
		if err != nil || len(page.Records) != 1 {
			t.Fatalf("%+v, %v", page.Records, err)
		}
		story, err := w.trail().Page(t.Context(), audit.Query{Filter: audit.Filter{Request: page.Records[0].Number}})
		if err != nil || len(story.Records) != 3 || story.Records[2].Outcome != audit.AnswerRefused {
			t.Errorf("%+v, %v", story.Records, err)
		}
	})
}

// Of several answers an error may be about any, and the record says so.
func TestRefusedAnswerOfSeveral(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i := range 2 {
			script.ask(request("sign_req", uuid(i), authKey, votePayload(string(rune('p'+i)), nowNonce())))
		}
		script.say([]byte(`{"cmd":"error","error":"invalid proof of key"}`))
		time.Sleep(time.Second)
		got := w.events("answer refused by a relay")
		if len(got) != 1 || !strings.Contains(string(got[0].Content), uuid(0)) ||
			!strings.Contains(string(got[0].Content), uuid(1)) || !strings.Contains(string(got[0].Content),
			`"certain":false`) {
			t.Errorf("records: %+v", got)
		}
		// Long after an answer, an error is not about it.
		script.ask(request("sign_req", uuid(3), authKey, votePayload("r", nowNonce())))
		time.Sleep(time.Minute)
		script.say([]byte(`{"cmd":"error","error":"too many requests"}`))
		time.Sleep(time.Second)
		if n := len(w.events("answer refused by a relay")); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}
