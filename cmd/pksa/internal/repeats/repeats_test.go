package repeats_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/cmd/pksa/internal/repeats"
)

// logged returns what the log says of what do logs, in virtual time.
func logged(t *testing.T, do func(*slog.Logger, *repeats.Handler)) (lines []string) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var out bytes.Buffer
		options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}
		h := repeats.New(slog.NewTextHandler(&out, options))
		do(slog.New(h), h)
		h.Flush()
		for line := range strings.Lines(out.String()) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	})
	return lines
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What repeats is written once a minute with its number, and the first of it at once.
func TestRepeatsAreCounted(t *testing.T) {
	expect(t, logged(t, func(log *slog.Logger, _ *repeats.Handler) {
		for i := range 20 { // over two minutes
			log.Warn("node fails", "node", "https://a", "err", i)
			time.Sleep(7 * time.Second)
			synctest.Wait()
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		log.Warn("node fails", "node", "https://a", "err", "again")
	}),
		`level=WARN msg="node fails" node=https://a err=0`,
		`level=WARN msg="node fails" node=https://a err=8 repeated=8`,
		`level=WARN msg="node fails" node=https://a err=17 repeated=9`,
		`level=WARN msg="node fails" node=https://a err=19 repeated=2`,
		`level=WARN msg="node fails" node=https://a err=again`)
}

// A node that fails and works in turn writes no more lines than one that fails.
func TestEndsOfFailuresAreCounted(t *testing.T) {
	expect(t, logged(t, func(log *slog.Logger, _ *repeats.Handler) {
		for range 40 {
			log.Warn("node fails", "node", "https://a")
			time.Sleep(time.Second)
			log.Info("node works again", "node", "https://a")
			time.Sleep(time.Millisecond) // two minutes that end at once are told in any order
			log.Info("node works again", "node", "https://b"+strings.Repeat("b", time.Now().Second()/30))
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		log.Info("node works again", "node", "https://a")
	}),
		`level=WARN msg="node fails" node=https://a`,
		`level=INFO msg="node works again" node=https://a`,
		`level=INFO msg="node works again" node=https://b`,
		`level=INFO msg="node works again" node=https://bb`,
		`level=WARN msg="node fails" node=https://a repeated=39`,
		`level=INFO msg="node works again" node=https://a repeated=39`,
		`level=INFO msg="node works again" node=https://b repeated=28`,
		`level=INFO msg="node works again" node=https://bb repeated=10`,
		`level=INFO msg="node works again" node=https://a`)
}

// The lines that end failures are counted by their words: these are those of the code.
func TestEndsAreInTheCode(t *testing.T) {
	var code strings.Builder
	for _, name := range []string{"call.go", "list.go"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "agent", "node", name))
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, words := range repeats.Ends {
		if !strings.Contains(code.String(), fmt.Sprintf("Info(%q", words)) {
			t.Errorf("nothing writes %q", words)
		}
	}
}

// Failures of different things are told apart, and nothing else is counted.
func TestOthersAreWritten(t *testing.T) {
	expect(t, logged(t, func(log *slog.Logger, _ *repeats.Handler) {
		for range 2 {
			log.Error("a", "relay", "one")
			log.Error("a", "relay", "two")
			log.With("relay", "three").Error("a")
			log.Info("request answered", "uuid", "1")
			log.Warn("request failed", "uuid", "2")
			log.Debug("detail")
		}
	})[:6],
		`level=ERROR msg=a relay=one`, `level=ERROR msg=a relay=two`, `level=ERROR msg=a relay=three`,
		`level=INFO msg="request answered" uuid=1`, `level=WARN msg="request failed" uuid=2`, `level=DEBUG msg=detail`)
}

// One account can be changed in several ways at once: each is written.
func TestChangesOfAnAccountAreWritten(t *testing.T) {
	expect(t, logged(t, func(log *slog.Logger, _ *repeats.Handler) {
		for _, what := range []string{"owner", "memo", "memo", "proxy"} {
			log.Warn("account changed", "account", "alice", "what", what)
		}
	}),
		`level=WARN msg="account changed" account=alice what=owner`,
		`level=WARN msg="account changed" account=alice what=memo`,
		`level=WARN msg="account changed" account=alice what=proxy`,
		`level=WARN msg="account changed" account=alice what=memo repeated=1`)
}

// Whoever can name things cannot make the log remember all of them.
func TestKindsAreBounded(t *testing.T) {
	lines := logged(t, func(log *slog.Logger, _ *repeats.Handler) {
		for i := range 1000 {
			log.Warn("relay lost", "relay", i)
		}
	})
	if len(lines) != 258 || !strings.HasSuffix(lines[257], "relay=999 repeated=743") {
		t.Errorf("%d lines, the last is %s", len(lines), lines[len(lines)-1])
	}
}
