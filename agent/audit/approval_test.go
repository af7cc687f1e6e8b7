package audit_test

import (
	"encoding/json"
	"testing"
	"time"

	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/ledger"
	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
)

// An approval in the trail is checked again, and has to be one to the request that it stands with.
func TestApprovalsAreChecked(t *testing.T) {
	site := passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}
	anna := passkeytest.New("anna", site)
	question := approve.Question{Purpose: approve.Decide, Wallet: "trail", Number: 7, Yes: true}
	proof := func(question approve.Question) *approve.Proof {
		challenge := question.Challenge()
		signed := anna.Sign(challenge[:])
		return &approve.Proof{By: "anna", Origin: site.Origin, Question: question, What: make([]byte, 32),
			Value: make([]byte, 32), Passkey: anna.ID, Key: anna.COSE, ClientData: signed.ClientData,
			AuthenticatorData: signed.AuthenticatorData, Signature: signed.Signature}
	}
	content := func(p *approve.Proof) []byte {
		text, err := json.Marshal(audit.Content{Result: "admitted", Approval: p})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	challenge := question.Challenge()
	forged := proof(question)
	forged.Signature = passkeytest.New("eve", site).Sign(challenge[:]).Signature
	resumed := proof(approve.Question{Purpose: approve.Resume, Wallet: "trail", Name: "bot", Yes: true})
	good, ended := content(proof(question)), content(resumed)
	several := func(more ...*approve.Proof) []byte {
		text, err := json.Marshal(audit.Content{Approval: proof(question), MoreApprovals: more})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	pairing := approve.Pairing{Account: "alice", Relay: "wss://relay.example", App: "bot", Length: time.Hour,
		Key: make([]byte, 32)}
	longer := pairing
	longer.Length++
	paired := func(signed, written approve.Pairing) []byte {
		q := approve.Question{Purpose: approve.Pair, Wallet: "trail", Name: signed.App, Digest: signed.Digest(),
			Yes: true}
		p := proof(q)
		p.What = q.Digest[:]
		text, err := json.Marshal(map[string]any{"pairing": written, "approval": p})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	changed := func(to string) []byte {
		q := approve.Question{Purpose: approve.Policy, Wallet: "trail", Yes: true,
			Digest: approve.PolicyChange{From: "a", To: "b"}.Digest()}
		p := proof(q)
		p.What = q.Digest[:]
		text, err := json.Marshal(map[string]any{"from": "a", "to": to, "approval": p})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	bob := proof(question)
	bobs := passkeytest.New("bob", site)
	signed := bobs.Sign(challenge[:])
	bob.By, bob.Passkey, bob.Key, bob.ClientData, bob.AuthenticatorData, bob.Signature = "bob", bobs.ID, bobs.COSE,
		signed.ClientData, signed.AuthenticatorData, signed.Signature
	for name, tt := range map[string]struct {
		record              ledger.Record
		approvals, problems int
	}{
		"good":               {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: good}, 1, 0},
		"of another request": {ledger.Record{Type: ledger.RecordDecided, Ref: 8, Content: good}, 0, 1},
		"forged":             {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: content(forged)}, 0, 1},
		"of two people":      {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: several(bob)}, 2, 0},
		"of one, twice": {ledger.Record{Type: ledger.RecordDecided, Ref: 7,
			Content: several(proof(question))}, 0, 1},
		"of one, and forged": {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: several(forged)}, 0, 1},
		"of one, and nobody": {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: several(nil)}, 0, 1},
		"no passkey":         {ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: content(nil)}, 0, 0},
		"what looks like one": {ledger.Record{Type: ledger.RecordDecided, Ref: 7,
			Content: []byte(`{"a":{"approval":{}}}`)}, 0, 0},
		"of a pause": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomeResume, App: "bot",
			Content: ended}, 1, 0},
		"of another pause": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomeResume,
			Content: ended}, 0, 1},
		"of a pause, for a request": {ledger.Record{Type: ledger.RecordDecided, Content: ended}, 0, 1},
		"of a request, for a pause": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomeResume,
			Content: good}, 0, 1},
		"of a pairing": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePairing, App: "bot",
			Content: paired(pairing, pairing)}, 1, 0},
		"of another pairing": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePairing, App: "bot",
			Content: paired(pairing, longer)}, 0, 1},
		"of the pairing of another app": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePairing,
			App: "other", Content: paired(pairing, pairing)}, 0, 1},
		"of a pause, for a pairing": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePairing, App: "bot",
			Content: ended}, 0, 1},
		"of a policy": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePolicy,
			Content: changed("b")}, 1, 0},
		"of another policy": {ledger.Record{Type: ledger.RecordAdmin, Outcome: audit.OutcomePolicy,
			Content: changed("c")}, 0, 1},
		"of another act":       {ledger.Record{Type: ledger.RecordAdmin, Outcome: "pause", Content: ended}, 0, 0},
		"of a first judgement": {ledger.Record{Type: ledger.RecordJudged, Ref: 7, Content: good}, 0, 0},
	} {
		found := audit.ApprovalOf(&tt.record, "trail")
		if found.Approvals != tt.approvals || len(found.Problems) != tt.problems {
			t.Errorf("%s: %+v", name, found)
		}
	}
	other := ledger.Record{Type: ledger.RecordDecided, Ref: 7, Content: good}
	if found := audit.ApprovalOf(&other, "another"); found.Approvals != 0 || len(found.Problems) != 1 {
		t.Errorf("to another wallet: %+v", found)
	}
}
