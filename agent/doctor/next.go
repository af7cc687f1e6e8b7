package doctor

import "pksa/agent/status"

// This file says what a person does about findings that do not know better themselves.

// nextOf returns what a person does about what a check found.
func nextOf(check string) string {
	if next, ok := nextOfChecks[check]; ok {
		return next
	}
	return "the log of the wallet may say more"
}

var nextOfChecks = map[string]string{
	"home": "mend what is named, in config.yaml or in the variables PKSA_…",
	"unlock": "let the setting unlock or PKSA_UNLOCK name where the secret is, and let the wallet's user read it; " +
		"what only a service or a container is given, the doctor finds only when it runs there",
	"agent": "if it does not answer a second time, look into its log, and start it again",
	"keystore": "let the setting unlock or PKSA_UNLOCK name what opens the keystore; what only a service or a " +
		"container is given, the doctor finds only when it runs there",
	"ledger": "let the wallet's user write in the folder of the ledger, and make room on its disk",
	"database": "let the server run and let the wallet enter it (pg_hba.conf, whose refusals its log explains); or " +
		"mend ledger and ledger_password in config.yaml",
	"disk":      "let the wallet's user write there, and make room",
	"listen":    "name another address in the setting that is named",
	"console":   "mend it under console in config.yaml, in a folder that the wallet's user alone can write",
	"place":     "change how the wallet is started: the unit, or the description of the container",
	"hardening": "grant the wallet what is missing, or require less by the setting hardening",
	"policy":    nextMend,
	"nodes":     nextNode,
	"clock":     nextClock,
	"keys":      nextKeys,
	"relays":    nextRelay,
	"canary":    nextRelay,
	"notifiers": "mend it under notify in config.yaml",
}

// nextReady returns what a person does about a cause for which the running wallet is not ready; no
// cause means that the agent is older, and does not say.
func nextReady(cause status.Cause) string {
	if next, ok := nextOfCauses[cause]; ok {
		return next
	}
	return nextOf("agent")
}

var nextOfCauses = map[status.Cause]string{
	status.CauseDisk: "make room on the disk with the home folder; the wallet goes on by itself",
	status.CauseLedger: "see what was found about the disk; if that is well and this lasts, start the wallet again: " +
		"it says what is wrong with its ledger",
	status.CauseClock:    nextClock,
	status.CauseKeys:     "see what was found about the keys",
	status.CauseNode:     "see what was found about the nodes",
	status.CauseRelay:    "see what was found about the relays",
	status.CauseTwin:     "find the other copy; examples/docs/moving.md tells how one of the two goes on",
	status.CauseStarting: "wait for some seconds; if it lasts, see what was found about nodes and relays",
	status.CausePaused:   "`pksa resume` ends the pause",
	status.CauseLocked:   "`pksa unlock` gives it its keys back",
	status.CauseStandby:  "nothing: it takes over by itself when the one that leads has ended",
	status.CauseStopping: "start it again when it has stopped",
}

const (
	nextNode  = "name another node in the setting nodes"
	nextClock = "set the clock right and let a time service run, such as chrony or systemd-timesyncd; if it is " +
		"right, the nodes lag"
)
