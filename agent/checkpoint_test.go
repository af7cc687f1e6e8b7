package agent_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/config"
	"pksa/agent/control"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// OwnSlot is the app by which the agent publishes for itself.
const OwnSlot = "pksa"

const checkpointRule = `version: 1
allow:
  - {name: votes, request: sign, apps: [app], operations: [vote]}
  - {name: checkpoints, request: sign, apps: [pksa], operations: [custom_json: {id: pksa-audit}]}
`

func checkpointing(c *config.Config) { c.CheckpointAccount, c.CheckpointEvery = "alice", 6*time.Hour }

// published reads the checkpoints back from the chain, as the command does.
func (w *world) published() (list []audit.Published) {
	w.t.Helper()
	nodes, err := node.New(node.Options{URLs: []string{w.node.URL()}, Network: hive.Mainnet,
		Transport: nodetest.Transport(w.node), Logger: w.log})
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := nodes.CustomJSON(w.t.Context(), "alice", audit.CheckpointID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range all {
		c, ok := audit.ParseCheckpoint(p.JSON)
		if !ok {
			w.t.Fatalf("published %q", p.JSON)
		}
		list = append(list, audit.Published{Checkpoint: c, TxID: p.TxID.String()})
	}
	return list
}

func (w *world) verify(list []audit.Published) audit.Verified {
	w.t.Helper()
	v, err := w.trail().Verify(w.t.Context(), audit.VerifyParams{Checkpoints: list})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// The head goes to the chain by the way of every request, as often as the settings say and
// something has happened, and what is there is compared with the trail.
func TestCheckpoints(t *testing.T) {
	within(t, worldOptions{policy: checkpointRule, configure: checkpointing}, func(t *testing.T, w *world) {
		time.Sleep(2 * time.Minute)
		if got := w.published(); len(got) != 1 {
			t.Fatalf("published after the start: %v", got)
		}
		records := w.events("accepted")
		if len(records) != 1 || records[0].App != OwnSlot || records[0].Account != "alice" ||
			records[0].TxID == "" {
			t.Errorf("recorded: %+v", records)
		}
		time.Sleep(13 * time.Hour)
		if got := w.published(); len(got) != 1 {
			t.Errorf("nothing happened, and %d are published", len(got))
		}
		if err := w.ledger.Note(ledger.Entry{Type: ledger.RecordEvent, Outcome: "test"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour)
		got := w.published()
		if v := w.verify(got); len(got) != 2 || v.Compared != 2 || v.Newest != got[1].Record || len(v.Problems) != 0 {
			t.Errorf("published %v, verified %+v", got, v)
		}
		for name, change := range map[string]func(*audit.Published){
			"the trail ends":      func(c *audit.Published) { c.Record += 1000 },
			"is another":          func(c *audit.Published) { c.Record-- },
			"it was replaced, as": func(c *audit.Published) { c.MAC = strings.Repeat("00", 32) },
		} {
			bad := got[1]
			change(&bad)
			if v := w.verify([]audit.Published{got[0], bad}); len(v.Problems) != 1 || !strings.Contains(v.Problems[0],
				name) || v.Compared != 1 {
				t.Errorf("%s: %+v", name, v)
			}
		}
		foreign := got[1]
		foreign.Trail, foreign.MAC = "0123456789abcdef", strings.Repeat("00", 32)
		if v := w.verify([]audit.Published{foreign}); len(v.Problems) != 0 || v.Skipped != 1 {
			t.Errorf("of another trail: %+v", v)
		}
	})
}

// A restart does not publish again before its time.
func TestCheckpointAfterRestart(t *testing.T) {
	within(t, worldOptions{policy: checkpointRule, configure: checkpointing}, func(t *testing.T, w *world) {
		time.Sleep(2 * time.Minute)
		w.end()
		w.start()
		time.Sleep(5 * time.Hour)
		if got := w.published(); len(got) != 1 {
			t.Errorf("%d published", len(got))
		}
		time.Sleep(time.Hour)
		got := w.published()
		if v := w.verify(got); len(got) != 2 || v.Compared != 2 {
			t.Errorf("%d published, verified %+v", len(got), v)
		}
	})
}

// Without a rule nothing is published, and the trail says why. Nobody gets the app's name.
func TestCheckpointNeedsItsRule(t *testing.T) {
	const votesOnly = "version: 1\nallow:\n  - {name: votes, request: sign, apps: any, operations: [vote]}\n"
	within(t, worldOptions{policy: votesOnly, configure: checkpointing}, func(t *testing.T, w *world) {
		time.Sleep(2 * time.Minute)
		if got := w.published(); len(got) != 0 {
			t.Errorf("published %v", got)
		}
		records := w.events("refused")
		if len(records) == 0 || records[0].App != OwnSlot || !strings.Contains(string(records[0].Content),
			"uncovered") {
			t.Errorf("recorded: %+v", records)
		}
		for _, call := range []struct {
			method string
			params any
		}{
			{agent.MethodAppAdd, agent.AppParams{Name: OwnSlot}},
			{agent.MethodAppRotate, agent.AppParams{Name: OwnSlot}},
			{agent.MethodSessionAdd, agent.SessionRequest{App: OwnSlot, Account: "alice"}},
		} {
			params, err := control.Encode(call.params)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.agent.Methods()[call.method](context.Background(), params); err == nil ||
				!strings.Contains(err.Error(), "the wallet itself") {
				t.Errorf("%s: %v", call.method, err)
			}
		}
	})
}
