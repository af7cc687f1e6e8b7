package policy

import (
	"testing"

	"pksa/protocol/hive"
)

// Every operation that can be signed can be made, or no difference in it would ever be found.
func TestEveryOperationIsMade(t *testing.T) {
	for _, d := range hive.Definitions() {
		if refusedAlways(d) != "" {
			continue
		}
		op, ok := madeOp{name: d.Name}.make("alice", nil)
		if !ok {
			t.Errorf("%s is not made", d.Name)
			continue
		}
		q := &Request{Kind: Sign, Account: "alice", App: "x", Ops: []hive.Operation{op}, Broadcast: true}
		q.Role = keyTypeFor(SigningRoles(q.Ops))
		if code, why := q.refuse(); code != "" {
			t.Errorf("%s is refused: %s", op, why)
		}
		if code, why := q.NeverSigned(); code != "" {
			t.Errorf("%s is never signed: %s", op, why)
		}
		if actors := actorsOf(op); len(actors) != 1 || actors[0] != "alice" {
			t.Errorf("%s needs %v", op, actors)
		}
	}
}
