package agent_test

import (
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/guard"
	"pksa/agent/lock"
	"pksa/agent/notify"
	"pksa/agent/probe"
	"pksa/agent/provision"
	"pksa/agent/refund"
)

// Every method promises something, and an answer of the right form that lacks it is an error. So
// whoever answers in the agent's place cannot say "done" by saying nothing.
func TestEveryMethodPromises(t *testing.T) {
	var number int
	results := map[string]any{
		agent.MethodStatus: new(agent.Status), agent.MethodAppAdd: new(agent.AppInfo),
		agent.MethodAppRotate: new(agent.AppInfo), agent.MethodAppRemove: &number,
		agent.MethodAppAnswers: new(agent.AppInfo),
		agent.MethodAppList:    new([]agent.AppInfo), agent.MethodSessionAdd: new(agent.SessionInfo),
		agent.MethodSessionList: new([]agent.SessionInfo), agent.MethodRevoke: new(agent.SessionInfo),
		agent.MethodEndSessions: new(agent.Revoked),
		agent.MethodEndedList:   new([]agent.EndedInfo), agent.MethodForget: new(agent.EndedInfo),
		agent.MethodRelease: nil, agent.MethodPair: new(agent.SessionInfo),
		agent.MethodPairLook: new(agent.PairAsk), agent.MethodPolicyReload: new(agent.PolicyStatus),
		agent.MethodKeysReload: nil, agent.MethodKeysRelock: nil, agent.MethodKeysCheck: new([]agent.KeyCheck),
		agent.MethodAuditPage:   new(audit.Page),
		agent.MethodVerifying:   new(audit.HowFar),
		agent.MethodAuditVerify: new(audit.Verified), agent.MethodPending: new([]agent.PendingRequest),
		agent.MethodPendingWhole: new(agent.PendingRequest),
		agent.MethodLogins:       new([]agent.PendingLogin),
		agent.MethodWhereabouts:  new(agent.Whereabouts),
		agent.MethodDecide:       nil, agent.MethodLimitList: new([]refund.Charge),
		agent.MethodLimitRelease: new(refund.Charge), agent.MethodCanary: new([]probe.Canary),
		agent.MethodLive: nil, agent.MethodGuardList: new([]guard.Standing),
		agent.MethodGuardAccept: new(guard.Standing), agent.MethodLedgerCopy: new(agent.LedgerCopy),
		agent.MethodReload: new(agent.Reloaded), agent.MethodSettings: new(agent.SettingsView),
		agent.MethodPause: new(agent.Paused), agent.MethodResume: new(agent.Paused),
		agent.MethodApply: new(provision.Applied), agent.MethodLock: new(lock.Status),
		agent.MethodApproverAdd: new(approve.Invitation), agent.MethodApproverList: new([]approve.ApproverInfo),
		agent.MethodApproverRemove: nil, agent.MethodUnlock: new(lock.Status),
		agent.MethodNotifyTest: new([]notify.Tested),
	}
	var names []string
	within(t, worldOptions{}, func(_ *testing.T, w *world) { names = slices.Sorted(maps.Keys(w.agent.Methods())) })
	for _, name := range names {
		result, ok := results[name]
		if !ok {
			t.Errorf("%s: add what it promises to this test, and to the type of its result", name)
			continue
		}
		answers := []string{`{}`}
		if result != nil {
			answers = append(answers, `{"result":null}`, `{"result":{}}`, `{"result":[{}]}`)
		}
		for _, text := range answers {
			if err := control.Call(t.Context(), answering(t, text), name, nil, result); err == nil ||
				strings.Contains(err.Error(), "did not answer") {
				t.Errorf("%s: %s was taken: %v", name, text, err)
			}
		}
	}
}

// answering answers one call with a text.
func answering(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		// The whole call, which is not looked at: it comes in pieces, and the answer of who hangs
		// up before the last one may be lost.
		var call any
		json.NewDecoder(conn).Decode(&call)
		conn.Write([]byte(text))
	}()
	return path
}
