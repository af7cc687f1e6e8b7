package doctor

import (
	"context"
	"fmt"

	"pksa/agent"
	"pksa/agent/approve"
	"pksa/agent/config"
)

// approvers looks whether there is somebody who can say yes to what waits. Who is enrolled only a
// running agent says.
func (e *examiner) approvers(ctx context.Context) {
	cfg := e.o.Config
	if cfg.Approve.Origin != "" && cfg.Ask == config.AskNobody {
		e.found(Finding{Level: Warning, Where: "approve.origin",
			What:    "people have an address to say yes at, and nobody is asked",
			Meaning: "what a rule wants to ask about is denied at once",
			Next:    "say \"ask: pending\" in config.yaml, or take approve.origin out"})
		return
	}
	if cfg.Approve.Origin == "" && cfg.Ask != config.AskPasskey || e.status == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	var all []approve.ApproverInfo
	if e.o.Call(ctx, agent.MethodApproverList, struct{}{}, &all) != nil {
		return // an agent of before there were approvers, or one that does not answer, which is told
	}
	for _, a := range all {
		if a.Elsewhere {
			e.found(Finding{Level: Warning, Where: a.Name,
				What: fmt.Sprintf("the passkey of approver %s is for %s, which is not the host of approve.origin",
					a.Name, a.RPID),
				Meaning: "they can say yes to nothing",
				Next:    "remove them, and enrol them anew"})
		}
	}
	if cfg.Ask == config.AskPasskey && approve.Nobody(all) {
		e.found(Finding{Level: Warning, Where: "ask", What: "only passkeys say yes here, and nobody has one",
			Meaning: "what a rule wants to ask about is denied at once",
			Next:    "set approve.origin, if it is not set, and enrol an approver"})
	}
}
