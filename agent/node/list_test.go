package node_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/node"
	"pksa/agent/node/nodetest"
	"pksa/protocol/hive"
)

// beacon is a list as a public one gives it.
const beacon = `[{"name":"b.example","endpoint":"https://b.example","updated_at":"2026-11-26T10:00:00.000Z","score":100,
"website_only":false,"version":"1.28.7","tests":[{"name":"x","success":true}]},
{"name":"c","endpoint":"https://c.example/","score":95},{"name":"slow","endpoint":"https://slow.example","score":79}]`

// TestParseList reads what a list may hold, and leaves out what is no public node.
func TestParseList(t *testing.T) {
	entry := func(endpoint string, score any) string {
		return fmt.Sprintf(`{"endpoint":%q,"score":%v}`, endpoint,
			score)
	}
	var many []string
	for i := range 20 {
		many = append(many, entry(fmt.Sprintf("https://n%d.example", i), 80+i))
	}
	for _, tt := range []struct {
		name, text string
		want       string // hosts; "error"
	}{
		{"as a beacon gives it", beacon, "b.example c.example"},
		{"the best first, eight at most", "[" + strings.Join(many, ",") + "]",
			"n19.example n18.example n17.example n16.example n15.example n14.example n13.example n12.example"},
		{"with a port", "[" + entry("https://a.example:2096", 100) + "]", "a.example:2096"},
		{"a host twice", "[" + entry("https://a.example", 100) + "," + entry("https://A.example/x", 99) + "]",
			"a.example"},
		{"without TLS", "[" + entry("http://a.example", 100) + "," + entry("http://localhost", 100) + "]", ""},
		{"this machine and its neighbours", "[" + strings.Join([]string{entry("https://localhost", 100),
			entry("https://127.0.0.1", 100), entry("https://[::1]", 100), entry("https://10.0.0.7", 100),
			entry("https://router", 100), entry("https://nas.local", 100), entry("https://x.internal.", 100),
			entry("https://169.254.169.254", 100), entry("https://x.localhost", 100)}, ",") + "]", ""},
		{"with what an address must not have", "[" + entry("https://u:p@a.example", 100) + "," +
			entry("https://a.example/?q", 100) + "," + entry("file:///etc/passwd", 100) + "," + entry("", 100) +
			"]", ""},
		{"no score", `[{"endpoint":"https://a.example"}]`, ""},
		{"empty", `[]`, ""},
		{"null", `null`, ""},
		{"an object", `{"nodes":[]}`, "error"},
		{"a score in words", `[{"endpoint":"https://a.example","score":"100%"}]`, "error"},
		{"a member twice", `[{"endpoint":"https://a.example","endpoint":"https://b.example","score":100}]`, "error"},
		{"a page", `<html>`, "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			urls, err := node.ForTestParseList([]byte(tt.text))
			var hosts []string
			for _, u := range urls {
				hosts = append(hosts, u.Host)
			}
			got := strings.Join(hosts, " ")
			if err != nil {
				got = "error"
			}
			if got != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// Of as many nodes as are used each one is; of one more the best are.
func TestNodesOfAList(t *testing.T) {
	for n, want := range map[int]int{7: 7, 8: 8, 9: 8} {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`{"endpoint":"https://n%d.example","score":%d}`, i, 80+i))
		}
		urls, err := node.ForTestParseList([]byte("[" + strings.Join(all, ",") + "]"))
		if err != nil || len(urls) != want || urls[0].Host != fmt.Sprintf("n%d.example", n-1) {
			t.Errorf("of %d nodes: %v, %v", n, urls, err)
		}
	}
}

// FuzzList: whatever a list holds, what is taken from it are a few addresses of other machines, by
// TLS.
func FuzzList(f *testing.F) {
	f.Add(beacon)
	f.Add(`[{"endpoint":"https://[::ffff:127.0.0.1]","score":1e308}]`)
	f.Add(`[{"endpoint":"https://0x7f.1/","score":100}]`)
	f.Fuzz(func(t *testing.T, text string) {
		urls, _ := node.ForTestParseList([]byte(text))
		if len(urls) > 8 {
			t.Errorf("%d addresses", len(urls))
		}
		for _, u := range urls {
			if u.Scheme != "https" || u.User != nil || u.RawQuery != "" || !strings.Contains(u.Hostname(), ".") ||
				strings.HasPrefix(u.Hostname(), "127.") || strings.Contains(u.Hostname(), ":") {
				t.Errorf("took %s", u)
			}
		}
	})
}

// listServer serves a list under list.example, and all else by the nodes.
type listServer struct {
	nodes  http.RoundTripper
	asked  atomic.Int32
	status atomic.Int32
	text   atomic.Pointer[string]
}

func (s *listServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "list.example" {
		return s.nodes.RoundTrip(r)
	}
	s.asked.Add(1)
	text := *s.text.Load()
	return &http.Response{StatusCode: int(s.status.Load()), Header: http.Header{"Location": {"https://b.example/"}},
		Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// withList runs f in a world of four nodes, of which the options name so many. The list names the
// rest.
func withList(t *testing.T, named int, f func(w *world, list *listServer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4)
		list := &listServer{nodes: nodetest.Transport(w.nodes...)}
		list.status.Store(http.StatusOK)
		var entries []string
		for _, n := range w.nodes[named:] {
			entries = append(entries, fmt.Sprintf(`{"endpoint":%q,"score":100}`, n.URL()))
		}
		text := "[" + strings.Join(entries, ",") + "]"
		list.text.Store(&text)
		o := node.Options{Network: w.chain.Network(), Transport: list, List: "https://list.example/api/nodes"}
		for _, n := range w.nodes[:named] {
			o.URLs = append(o.URLs, n.URL())
		}
		var err error
		if w.c, err = node.New(o); err != nil {
			t.Fatal(err)
		}
		defer w.run()()
		synctest.Wait()
		f(w, list)
	})
}

func (w *world) urls() (all []string) {
	for _, s := range w.c.Status() {
		all = append(all, s.URL)
	}
	return all
}

// TestList: nodes of the list stand behind those that are named, and are used when these fail.
func TestList(t *testing.T) {
	withList(t, 1, func(w *world, list *listServer) {
		if got := w.urls(); len(got) != 4 || got[0] != w.nodes[0].URL() || !w.c.Status()[1].Listed ||
			w.c.Status()[0].Listed {
			t.Fatalf("nodes %q", got)
		}
		if o := w.broadcast(w.sign(hive.Posting, voteJSON)); o.State != node.Accepted || o.Node != "a.example" {
			t.Errorf("outcome %+v", o)
		}
		w.nodes[0].FailAlways("", nodetest.Refused)
		tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
		if o := w.broadcast(tx); o.State != node.Accepted || o.Node != "b.example" {
			t.Errorf("outcome %+v", o)
		}
		// What the list named stays in use while it cannot be read, whatever is in its place.
		long := strings.Repeat(" ", 300<<10)
		for i, bad := range []string{"<html>", "[]", long, "{}"} {
			list.text.Store(&bad)
			time.Sleep(2 * time.Hour)
			if got := w.urls(); len(got) != 4 {
				t.Errorf("%d: nodes %q", i, got)
			}
		}
		list.status.Store(http.StatusFound)
		time.Sleep(2 * time.Hour)
		if got := w.urls(); len(got) != 4 {
			t.Errorf("redirected: nodes %q", got)
		}
		// A list that changed is followed within the hour; a host that is named stays where it is.
		list.status.Store(http.StatusOK)
		other := fmt.Sprintf(`[{"endpoint":%q,"score":100},{"endpoint":%q,"score":90}]`, w.nodes[0].URL(),
			w.nodes[3].URL())
		list.text.Store(&other)
		time.Sleep(2 * time.Hour)
		if got := w.urls(); !slices.Equal(got, []string{w.nodes[0].URL(), w.nodes[3].URL()}) {
			t.Errorf("nodes %q", got)
		}
		before := list.asked.Load()
		time.Sleep(10 * time.Hour)
		if n := list.asked.Load() - before; n > 11 {
			t.Errorf("asked %d times in 10 hours", n)
		}
	})
}

// TestListIsOneOpinion: nodes of one list that agree are one host. They cannot call a transaction
// refused or dead, say what keys an account has, or give back what was charged.
func TestListIsOneOpinion(t *testing.T) {
	withList(t, 2, func(w *world, _ *listServer) {
		for _, n := range w.nodes[2:] {
			n.FailAlways(broadcastMethod, refuseAndKeep())
		}
		w.nodes[0].FailAlways("", nodetest.Refused)
		w.nodes[1].FailAlways("", nodetest.Refused)
		tx := w.sign(hive.Active, transferJSON("1.000 HIVE", "rent"))
		if o := w.broadcast(tx); o.State != node.Accepted {
			t.Errorf("two of the list refused and kept it: outcome %+v", o)
		}
		if v := w.c.Views(context.Background(), 4, "alice"); len(v) != 1 {
			t.Errorf("%d views", len(v))
		}
		lost := w.sign(hive.Posting, voteJSON) // never sent
		time.Sleep(5 * time.Minute)
		if p := w.c.Presence(context.Background(), lost.ID, lost.Expiration); p.Never() || len(p.Absent) != 1 {
			t.Errorf("presence %+v", p)
		}
		if n := w.c.Hosts(); n != 3 {
			t.Errorf("%d hosts", n)
		}
	})
	t.Run("and a host that is named", func(t *testing.T) {
		withList(t, 1, func(w *world, _ *listServer) {
			for _, n := range w.nodes[:2] {
				n.FailAlways(broadcastMethod, noFunds())
			}
			o := w.broadcast(w.sign(hive.Active, transferJSON("1.000 HIVE", "rent")))
			if o.State != node.Refused || o.Class != node.ClassBalance {
				t.Errorf("outcome %+v", o)
			}
		})
	})
}

// TestListAddress: the list itself is reached by TLS.
func TestListAddress(t *testing.T) {
	for _, address := range []string{"http://list.example/", "http://localhost/", "list.example",
		"https://l.example/?x"} {
		_, err := node.New(node.Options{Network: hive.Mainnet, URLs: []string{"https://a.example"}, List: address})
		if err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}
