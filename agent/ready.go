package agent

import (
	"strconv"
	"time"

	"pksa/agent/status"
)

// Ready gives the reasons why no request can be served now; none means ready.
func (a *Agent) Ready() []string {
	var reasons []string
	if err := a.ledger.Err(); err != nil {
		reasons = append(reasons, "the ledger takes nothing: "+err.Error())
	}
	if problem := a.clockProblem(time.Now()); problem != "" {
		reasons = append(reasons, problem)
	}
	if ahead := time.Until(a.ledger.Now()); ahead > maxSkew {
		reasons = append(reasons, "the ledger's last record is "+ahead.Round(time.Minute).String()+
			" in the future: the clock was wrong when it was written, and no nonce is new until then")
	}
	if a.stopping.Load() {
		reasons = append(reasons, "stopping")
	}
	if len(a.keys().Accounts()) == 0 {
		reasons = append(reasons, "no keys are held; import one with `pksa keys import`")
	}
	registered := 0
	for _, l := range a.links {
		registered += l.Status().Registered
	}
	if registered == 0 {
		reasons = append(reasons, "no account is registered at any relay")
	}
	return reasons
}

func (a *Agent) gauges() status.Gauges {
	g := status.Gauges{PolicyHash: a.policy.Load().policy.Hash(), Sessions: len(a.ledger.Sessions()),
		Pending: len(a.asks.list()), WrongKeys: a.mismatch.labels(), Limits: a.limitGauges(),
		Backlog: a.ledger.Backlog() != nil}
	for _, l := range a.links {
		s := l.Status()
		drops := map[string]uint64{}
		for reason, n := range s.Counters.Drops {
			drops[string(reason)] = n
		}
		g.Links = append(g.Links, status.LinkGauges{
			Relay: s.URL, Connected: s.Connected, Registered: s.Registered, Refused: len(s.Refused),
			Reconnects: s.Counters.Reconnects, KeyChanges: s.Counters.KeyChanges, Frames: s.Counters.Frames,
			Drops: drops,
		})
	}
	return g
}

// limitGauges are the limits in force, each with the fullest of its counters. Machines get floating
// point numbers; what counts is exact.
func (a *Agent) limitGauges() []status.LimitGauge {
	fullest := map[status.LimitGauge]int{} // by name, unit and window, to the place in gauges
	var gauges []status.LimitGauge
	for _, room := range a.policyStatus().Room {
		used, _ := strconv.ParseFloat(room.Used, 64)
		most, _ := strconv.ParseFloat(room.Most, 64)
		key := status.LimitGauge{Limit: room.Limit.Name, Unit: room.Unit, Window: room.Window.String()}
		i, seen := fullest[key]
		if !seen {
			i = len(gauges)
			fullest[key] = i
			gauges = append(gauges, key)
		}
		gauges[i].Used, gauges[i].Most = max(gauges[i].Used, used), most
	}
	return gauges
}
