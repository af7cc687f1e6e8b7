package audit

import (
	"errors"
	"testing"

	"pksa/protocol/hive"
)

// While the trail is read for one console's question, another one is refused, not kept waiting.
func TestOneLookAtATime(t *testing.T) {
	var l Looks
	_, end, err := l.begin(t.Context(), Trail{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Explain(t.Context(), Trail{}, nil, hive.Mainnet, 7); !errors.Is(err, errLooking) {
		t.Errorf("explain: %v", err)
	}
	if _, err := l.Suggest(t.Context(), Trail{}, hive.Mainnet); !errors.Is(err, errLooking) {
		t.Errorf("suggest: %v", err)
	}
	end()
	if _, end, err = l.begin(t.Context(), Trail{}); err != nil {
		t.Fatal(err)
	}
	end()
}
