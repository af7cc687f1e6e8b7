package policy_test

import (
	"reflect"
	"testing"

	"pksa/agent/policy"
	"pksa/protocol/hive"
)

func TestDelegations(t *testing.T) {
	p, problems := policy.Compile("p", []byte(`version: 1
allow:
  - {name: for two, request: sign, accounts: [bob], apps: any, on_behalf_of: [dave, carol], operations: [vote]}
  - {name: for any, request: sign, apps: any, on_behalf_of: any, operations: [vote]}
  - {name: own, request: sign, apps: any, operations: [vote]}
deny:
  - {name: not for eve, on_behalf_of: [eve]}
`), policy.Options{})
	if p == nil {
		t.Fatal(problems)
	}
	var got []string
	for _, d := range p.Delegations() {
		got = append(got, d.Rule.Name+": "+string(d.By))
		if !reflect.DeepEqual(d.To, []hive.AccountName{"bob"}) || !reflect.DeepEqual(d.Roles,
			[]hive.Role{hive.Posting}) {
			t.Errorf("%+v", d)
		}
	}
	if want := []string{"for two: carol", "for two: dave"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
