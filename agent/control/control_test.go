package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pksa/agent/control"
	"pksa/protocol/secret"
)

// socketPath returns a path that is short: macOS takes no more than 103 bytes, and the folder of a
// test alone can be as long.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func serve(t *testing.T, handlers map[string]control.Handler) string {
	t.Helper()
	path := socketPath(t)
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	s := &control.Server{Handlers: handlers, Logger: slog.New(slog.DiscardHandler)}
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

type greeting struct {
	Name string `json:"name"`
}

func TestCall(t *testing.T) {
	path := serve(t, map[string]control.Handler{
		"greet": func(_ context.Context, params []byte) (any, error) {
			var g greeting
			if err := control.Decode(params, &g); err != nil {
				return nil, err
			}
			if g.Name == "" {
				return nil, errors.New("nobody to greet; give a name")
			}
			return greeting{"hello " + g.Name}, nil
		},
	})
	var got greeting
	if err := control.Call(t.Context(), path, "greet", greeting{"bob"}, &got); err != nil || got.Name != "hello bob" {
		t.Fatalf("%v, %v", got, err)
	}
	var refusal *control.Error
	if err := control.Call(t.Context(), path, "greet", greeting{}, nil); !errors.As(err, &refusal) ||
		refusal.Text != "nobody to greet; give a name" {
		t.Errorf("refusal came as %v", err)
	}
	if err := control.Call(t.Context(), path, "greet", map[string]int{"nmae": 1}, nil); err == nil {
		t.Error("unknown parameter passed")
	}
	if err := control.Call(t.Context(), path, "nothing", nil, nil); !errors.As(err, &refusal) {
		t.Errorf("unknown method: %v", err)
	}
}

// A handler knows whether root calls, by what the kernel says and not by the call.
func TestFromRoot(t *testing.T) {
	path := serve(t, map[string]control.Handler{"who": func(ctx context.Context, _ []byte) (any, error) {
		user, known := control.Caller(ctx)
		return []any{control.FromRoot(ctx), user, known}, nil
	}})
	var who []any
	if err := control.Call(t.Context(), path, "who", struct{}{}, &who); err != nil || len(who) != 3 {
		t.Fatal(who, err)
	}
	self := os.Geteuid()
	if runtime.GOOS == "linux" && (who[0] != (self == 0) || who[1] != float64(self) || who[2] != true) {
		t.Errorf("who calls: %v", who)
	}
	if _, known := control.Caller(t.Context()); known || control.FromRoot(t.Context()) {
		t.Error("who calls is known where nobody does")
	}
}

func TestNoAgent(t *testing.T) {
	path := socketPath(t)
	if err := control.Call(t.Context(), path, "x", nil, nil); !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("no socket file: %v", err)
	}
	// A killed agent leaves the file behind.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := control.Call(t.Context(), path, "x", nil, nil); !errors.Is(err, control.ErrNoAgent) {
		t.Errorf("stale socket file: %v", err)
	}
	again, err := control.Listen(path)
	if err != nil {
		t.Fatalf("stale socket not replaced: %v", err)
	}
	defer again.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := control.Listen(path); err == nil || !strings.Contains(err.Error(), "another agent") {
		t.Errorf("second listener: %v", err)
	}
}

// Of an agent that is stopped, the kernel takes the call, and nobody answers.
func TestNoAnswer(t *testing.T) {
	l, err := control.Listen(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	<-ctx.Done()
	err = control.Call(ctx, l.Addr().String(), "x", nil, nil)
	if !errors.Is(err, control.ErrNoAnswer) || errors.Is(err, control.ErrNoAgent) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := control.Call(ctx, l.Addr().String(), "x", nil, nil); !errors.Is(err, control.ErrNoAnswer) {
		t.Error(err)
	}
}

// Who asks for nothing that counts asks in a folder that others can write, too.
func TestAnywhere(t *testing.T) {
	path := serve(t, map[string]control.Handler{
		"ping": func(context.Context, []byte) (any, error) { return "pong", nil },
	})
	if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := control.Call(t.Context(), path, "ping", nil, &got); runtime.GOOS == "linux" && err == nil {
		t.Error("asked in a folder that others can write")
	}
	err := control.Socket{Path: path, Anywhere: true}.Call(t.Context(), "ping", nil, &got)
	if runtime.GOOS == "linux" && (err != nil || got != "pong") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestListenLeavesOtherFilesAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Listen(path); err == nil {
		t.Fatal("took the place of a file")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("file was damaged")
	}
}

// Garbage, silence and huge calls leave the server answering.
func TestBadCallers(t *testing.T) {
	path := serve(t, map[string]control.Handler{
		"ping": func(context.Context, []byte) (any, error) { return "pong", nil },
	})
	for _, garbage := range []string{"", "x", "{}", "[", `{"method":"ping","other":1}`, "\x00\xff"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(garbage))
		conn.Close()
	}
	var got string
	if err := control.Call(t.Context(), path, "ping", nil, &got); err != nil || got != "pong" {
		t.Errorf("%q, %v", got, err)
	}
}

// People and their programs read what Show writes, so it is what encoding/json wrote before, byte
// for byte; only secrets are shown.
func TestShowWritesWhatEncodingJSONDoes(t *testing.T) {
	type result struct {
		Name  string        `json:"name"`
		Took  time.Duration `json:"took"`
		At    time.Time     `json:"at"`
		List  []string      `json:"list"`
		Empty []int         `json:"empty"`
		Map   map[string]any
		Raw   json.RawMessage `json:"raw,omitempty"`
		None  *int            `json:"none"`
		Zero  int             `json:"zero,omitempty"`
		Key   secret.Text     `json:"key,omitempty"`
	}
	r := result{
		Name: "a<b>&\u2028\"ü", Took: time.Second, At: time.Date(2026, 1, 1, 0, 0, 0, 5, time.UTC), Empty: []int{},
		Map: map[string]any{"b": 1.0, "a": []any{}, "c": map[string]int{}}, Raw: json.RawMessage(`{"z":1,"y":[1, 2]}`),
	}
	for _, value := range []any{r, &r, []result{r}, []int{}, map[string]any{"x": []string(nil)}, "text", nil} {
		var got, want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := errors.Join(enc.Encode(value), control.Show(&got, value)); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("%T: %s\nwant %s", value, &got, &want)
		}
	}
	r.Key = "shown once"
	var got strings.Builder
	if err := control.Show(&got, r); err != nil || !strings.Contains(got.String(), `"key": "shown once"`) {
		t.Errorf("%s, %v", &got, err)
	}
}

// promised is a result that must have a name.
type promised struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

func (promised) Promises() []string { return []string{"name"} }

// answering serves one call after the other with the same bytes, whatever was asked.
func answering(t *testing.T, text string) string {
	t.Helper()
	path := socketPath(t)
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// The whole call, which is not looked at: it may come in pieces, and who hangs up
			// before the last one fails the call.
			var call any
			json.NewDecoder(conn).Decode(&call)
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	return path
}

// An answer that lacks what the method promises is an error, not a success without content.
func TestPromises(t *testing.T) {
	for answer, lacks := range map[string]string{
		`{}`:                               "no result",
		`{"result":null}`:                  "null",
		`{"result":{}}`:                    `lacks "name"`,
		`{"result":{"name":""}}`:           `lacks "name"`,
		`{"result":{"name":null,"age":3}}`: `lacks "name"`,
		`{"result":{"name":"alice"},"more":[1,2]}`: "",
	} {
		var got promised
		err := control.Call(t.Context(), answering(t, answer), "x", nil, &got)
		if (err == nil) != (lacks == "") || err != nil && !strings.Contains(err.Error(), lacks) {
			t.Errorf("%s: %v", answer, err)
		}
	}
	for answer, ok := range map[string]bool{`{"result":[]}`: true, `{"result":[{"name":"a"},{"name":"b"}]}`: true,
		`{"result":[{"name":"a"},{"age":1}]}`: false, `{"result":null}`: false, `{"result":{}}`: false} {
		var got []promised
		if err := control.Call(t.Context(), answering(t, answer), "x", nil, &got); (err == nil) != ok {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if err := control.Call(t.Context(), answering(t, `{}`), "x", nil, nil); err == nil {
		t.Error("an answer without a result is no answer, also where the result says nothing")
	}
}

// What is printed of a refusal controls no terminal, whoever wrote it.
func TestRefusalIsPlain(t *testing.T) {
	path := answering(t, `{"error":"\u001b[2Jgone\u202e\u200b\r\n second  line"}`)
	err := control.Call(t.Context(), path, "x", nil, nil)
	if err == nil || err.Error() != "\ufffd[2Jgone\ufffd\ufffd\ufffd\n second  line" {
		t.Errorf("got %q", err)
	}
}

// So many calls are answered at once, and one more is refused with a word. It costs the others
// nothing, and when one of them has ended there is room again.
func TestCallsAtOnce(t *testing.T) {
	const most = 64
	begun, release := make(chan struct{}), make(chan struct{})
	path := serve(t, map[string]control.Handler{
		"wait": func(context.Context, []byte) (any, error) { begun <- struct{}{}; <-release; return "waited", nil },
		"ping": func(context.Context, []byte) (any, error) { return "pong", nil },
	})
	call := func(method string) error {
		var answer string
		return control.Call(t.Context(), path, method, nil, &answer)
	}
	results := make(chan error, most)
	for range most {
		go func() { results <- call("wait") }()
		<-begun
	}
	var refused *control.Error
	if err := call("ping"); !errors.As(err, &refused) || !strings.Contains(refused.Text, "64 other calls") {
		t.Errorf("one call more: %v", err)
	}
	close(release)
	for range most {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := call("ping"); err != nil {
		t.Errorf("when they have ended: %v", err)
	}
}
