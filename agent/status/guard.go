package status

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"pksa/protocol/host"
	"pksa/protocol/plain"
)

// Guard is what decides whether a request may be of a web page. A page cannot read the answers of
// another host, unless its own name leads to this one (DNS rebinding); then the request names that
// host.
type Guard struct {
	Listener net.Addr // on loopback the hosts of requests are checked, elsewhere only if there are Hosts
	Hosts    []string // names by which the server is asked, besides those of this machine and addresses
	Logger   *slog.Logger
}

// refusalEvery is how often a refusal is logged.
const refusalEvery = time.Minute

// Guard returns a handler that refuses what may be of a web page, and else does what next does.
func (m *Metrics) Guard(next http.Handler, g Guard) http.Handler {
	server := host.Server{Names: g.Hosts}
	named := len(g.Hosts) > 0
	if tcp, ok := g.Listener.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		named = true
	}
	var mu sync.Mutex
	var logNext time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		origin := req.Header.Get("Origin")
		if (!named || server.Knows(req.Host)) && (origin == "" || server.Allows(req.Host, origin)) {
			next.ServeHTTP(w, req)
			return
		}
		m.PageRefused("status")
		mu.Lock()
		now := time.Now()
		quiet := now.Before(logNext)
		if !quiet {
			logNext = now.Add(refusalEvery)
		}
		mu.Unlock()
		if !quiet {
			g.Logger.Warn("a request for status was refused: it may be of a web page", "host",
				plain.Line(req.Host, 200),
				"origin", plain.Line(origin, 200), "hint",
				"a name that a proxy passes on stands in the setting status.hosts")
		}
		http.Error(w, "this host is not known here; the setting status.hosts names those that are",
			http.StatusForbidden)
	})
}
