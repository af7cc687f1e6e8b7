package agent_test

import (
	"encoding/json"
	"testing"
	"time"
)

// Whatever is nobody's is counted by relay and reason, and recorded once an hour, not one by one.
func TestDropsAreRecordedOnceAnHour(t *testing.T) {
	withScript(t, "", func(t *testing.T, w *world, script *scriptedClient) {
		for i := range 20 {
			script.ask(request("sign_req", uuid(i), "not the key of any session", votePayload("p", nowNonce())))
		}
		if got := w.events("requests dropped"); len(got) != 0 {
			t.Fatalf("recorded at once: %v", got)
		}
		time.Sleep(time.Hour)
		got := w.events("requests dropped")
		if len(got) != 1 {
			t.Fatalf("%d records in an hour", len(got))
		}
		var content struct{ Dropped map[string]map[string]int }
		if err := json.Unmarshal(got[0].Content, &content); err != nil || len(content.Dropped) != 1 {
			t.Fatalf("%s, %v", got[0].Content, err)
		}
		for relay, reasons := range content.Dropped {
			if reasons["nobody's"] != 20 {
				t.Errorf("%s: %v", relay, reasons)
			}
		}
		time.Sleep(2 * time.Hour)
		if got := w.events("requests dropped"); len(got) != 1 {
			t.Errorf("%d records although nothing was dropped", len(got))
		}
	})
}
