package control

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
)

func TestMayCall(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		user uint32
		err  error
		self int
		more []uint32 // who may call besides
		want bool
	}{
		"ourselves":            {1000, nil, 1000, nil, true},
		"root":                 {0, nil, 1000, nil, true},
		"another":              {1001, nil, 1000, nil, false},
		"another, we are root": {1000, nil, 0, nil, false},
		"nobody, of 32 bits":   {1<<32 - 1, nil, -1, nil, false}, // -1 is what a system without user ids gives
		"system without ids":   {0, errNoPeer, -1, nil, true},
		"the kernel fails":     {0, broken, 1000, nil, false},

		"the console":                             {2000, nil, 1000, []uint32{2000}, true},
		"ourselves, with a console":               {1000, nil, 1000, []uint32{2000}, true},
		"another, with a console":                 {1001, nil, 1000, []uint32{2000}, false},
		"system without ids, with a console":      {2000, errNoPeer, -1, []uint32{2000}, false},
		"the kernel fails, with a console":        {2000, broken, 1000, []uint32{2000}, false},
		"system without ids, a console of root's": {0, errNoPeer, -1, []uint32{0}, false},
	} {
		if err := mayCall(tt.user, tt.err, tt.self, tt.more); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Frames that a caller may send; those that are refused have a member that no version here knows, a
// member twice or in another case, bytes that are not UTF-8, or are no object.
var frames = map[string]bool{
	`{"method":"ping"}`:                 true,
	`{"method":"ping","params":null}`:   true,
	`{"params":{"a":[1]},"method":"x"}`: true,
	`{}`:                                true, // then no handler has that name
	`{"method":"ping"} trailing`:        true, // one connection carries one call, the rest is not read
	`{"method":"ping","other":1}`:       false,
	`{"method":"ping","method":"x"}`:    false,
	`{"Method":"ping"}`:                 false,
	`{"method":1}`:                      false,
	`{"method":"ping"`:                  false,
	"{\"method\":\"\xff\"}":             false,
	`["ping"]`:                          false,
	`"ping"`:                            false,
	``:                                  false,
	`{"params":` + strings.Repeat("[", 20000) + `}`:      false,
	`{"params":"` + strings.Repeat("x", MaxFrame) + `"}`: false,
}

func TestReadCall(t *testing.T) {
	for text, want := range frames {
		if _, err := readCall(strings.NewReader(text)); (err == nil) != want {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// Whatever a caller sends, it is refused, or it is a call that is written and read again as the
// same call. An answer likewise.
func FuzzFrame(f *testing.F) {
	for text := range frames {
		if len(text) < 1000 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(`{"result":{"n":1},"error":""}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if c, err := readCall(bytes.NewReader(frame)); err == nil {
			again, err := readCall(bytes.NewReader(written(t, c)))
			if err != nil || again.Method != c.Method || !sameJSON(t, again.Params, c.Params) {
				t.Errorf("call %+v came back as %+v, %v", c, again, err)
			}
		}
		if a, err := readAnswer(bytes.NewReader(frame)); err == nil {
			again, err := readAnswer(bytes.NewReader(written(t, a)))
			if err != nil || again.Error != a.Error || !sameJSON(t, again.Result, a.Result) {
				t.Errorf("answer %+v came back as %+v, %v", a, again, err)
			}
		}
	})
}

func written(t *testing.T, frame any) []byte {
	t.Helper()
	text, err := json.Marshal(frame)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	values := make([]any, 2)
	for i, text := range [][]byte{a, b} {
		if len(text) == 0 {
			continue
		}
		if err := json.Unmarshal(text, &values[i]); err != nil {
			t.Fatal(err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// A call has so many bytes, and not one more.
func TestLargestCall(t *testing.T) {
	for _, size := range []int{MaxFrame - 1, MaxFrame, MaxFrame + 1} {
		text := `{"method":"ping","params":""}`
		text = strings.Replace(text, `""`, `"`+strings.Repeat("x", size-len(text))+`"`, 1)
		if _, err := readCall(strings.NewReader(text)); (err == nil) != (size <= MaxFrame) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// Of a console no call is large.
func TestConsoleCallsAreSmall(t *testing.T) {
	for size, want := range map[int]bool{smallCall - 1: true, smallCall: false, smallCall + 1: false} {
		r := &callReader{from: strings.NewReader(strings.Repeat("x", size)), room: newRoom(consoleMost, false),
			wait: time.Hour}
		if _, err := io.ReadAll(r); (err == nil) != want {
			t.Errorf("%d bytes: %v", size, err)
		}
		r.end()
	}
}

// What strangers do without end is logged once a minute, with how often it was.
func TestStrangersAreLoggedSometimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sometimes
		for i, want := range []int{0, -1, -1, 2} {
			if i == 3 {
				time.Sleep(time.Minute)
			}
			yes, before := s.now()
			if yes != (want >= 0) || yes && before != want {
				t.Errorf("%d: %t, %d", i, yes, before)
			}
		}
	})
}

// Of calls that are larger than most, one is held at a time: the next one waits until it has been
// answered, or gives up. Smaller ones go on beside it.
func TestLargeCallsTakeTurns(t *testing.T) {
	for _, c := range []struct {
		size  int
		large bool
	}{{smallCall - 1, false}, {smallCall, true}, {smallCall + 1, true}} {
		synctest.Test(t, func(t *testing.T) {
			room := newRoom(callsMost, true)
			read := func(size int) (*callReader, error) {
				r := &callReader{from: strings.NewReader(strings.Repeat("x", size)), room: room, wait: time.Second}
				b, err := io.ReadAll(r)
				if err == nil && len(b) != size {
					t.Errorf("%d of %d bytes", len(b), size)
				}
				return r, err
			}
			first, err := read(smallCall + 10)
			if err != nil {
				t.Fatal(err)
			}
			second, err := read(c.size)
			if (err != nil) != c.large {
				t.Errorf("%d bytes beside a large call: %v", c.size, err)
			}
			second.end()
			time.AfterFunc(time.Millisecond, first.end)
			third, err := read(smallCall + 10)
			if err != nil {
				t.Errorf("when the first is answered: %v", err)
			}
			third.end()
			if len(room.large) != 0 {
				t.Error("the turn was not given back")
			}
		})
	}
}
