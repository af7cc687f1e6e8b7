package audit_test

import (
	"testing"

	"pksa/agent/audit"
)

// A page has so many records, and says whether there are more.
func TestPagesAtTheBound(t *testing.T) {
	for _, n := range []int{999, 1000, 1001} {
		bubble(t, func(t *testing.T, f *filled) {
			f.notes(n)
			for _, last := range []bool{false, true} {
				page, err := audit.Trail{Ledger: f.ledger}.Page(t.Context(), audit.Query{Last: last})
				if err != nil || len(page.Records) != min(n, 1000) || n > 1000 && page.End {
					t.Errorf("last %t: of %d records %d are on a page, the last one: %t, %v", last, n,
						len(page.Records), page.End, err)
				}
			}
		})
	}
}
