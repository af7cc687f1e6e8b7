package policy

import (
	"testing"
	"time"

	"pksa/protocol/hive"
)

func TestSchedulesMeet(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		instant, err := parseInstant(text)
		if err != nil {
			t.Fatal(err)
		}
		return instant
	}
	night, morning := &hours{22 * 60, 6 * 60}, &hours{6 * 60, 9 * 60}
	saturday := map[time.Weekday]bool{time.Saturday: true}
	// 2028-03-04 is a Saturday.
	for name, c := range map[string]struct {
		one, other schedule
		want       bool
	}{
		"always": {schedule{}, schedule{}, true},
		"an hour": {schedule{from: at("2028-03-04T10:00:00Z"), until: at("2028-03-04T11:00:00Z")}, schedule{},
			true},
		"before its day": {schedule{until: at("2028-03-04")}, schedule{days: saturday}, true},
		"its morning": {schedule{from: at("2028-03-03"), until: at("2028-03-05")},
			schedule{days: saturday, hours: morning}, true},
		"its morning, gone": {schedule{from: at("2028-03-04T09:00:00Z"), until: at("2028-03-05")},
			schedule{days: saturday, hours: morning}, false},
		"night and morning": {schedule{hours: night}, schedule{hours: morning}, false},
		"past midnight":     {schedule{hours: night}, schedule{hours: &hours{5 * 60, 9 * 60}}, true},
		"one after another": {schedule{until: at("2028-03-04")}, schedule{from: at("2028-03-04")}, false},
		"other days": {schedule{days: saturday}, schedule{days: map[time.Weekday]bool{time.Sunday: true}},
			false},
	} {
		if got := c.one.meets(c.other); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := c.other.meets(c.one); got != c.want {
			t.Errorf("%s, the other way round: %t", name, got)
		}
	}
}

func TestNamesWrittenOtherwise(t *testing.T) {
	names := map[string]int{"tipbot": 1, "trader": 1, "bot1": 1, "tipbta": 0}
	permits := func(name string) bool { return names[name] > 0 }
	for name, want := range map[string]string{
		"tip-bot": "tipbot", "TipBot": "tipbot", "tib_pot": "tipbot", "tibpot": "tipbot", "tpibot": "tipbot",
		"rtader":  "trader",
		"tipbott": "tipbot", "tipbt": "tipbot", "tipbat": "tipbot",
		"traider": "trader", "tip-bott": "",
		"bot2": "", "tipbot1": "", "tipbot-a": "",
		"botx": "", "trade1": "", "treadur": "", "bot": "", "bot11": "", "rtable": "", "": "", "tipbots": "",
	} {
		if got := misspeltAs(name, names, permits); got != want {
			t.Errorf("%q is %q", name, got)
		}
	}
}

// What pksa would sign is not called plain.
func TestEncryptedSamplesAreEncrypted(t *testing.T) {
	for _, memo := range encrypted {
		if !hive.IsEncryptedMemo(memo) {
			t.Errorf("%s is no encrypted memo", memo)
		}
	}
}
