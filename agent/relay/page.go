package relay

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"pksa/protocol/host"
	"pksa/protocol/plain"
)

// admitsPage answers a request of a web page that may not connect, and reports false. Only browsers
// send an Origin header, and each browser does for a WebSocket, so a program needs no entry, and
// may reach the relay by any name: through a proxy, for example.
func (r *Relay) admitsPage(w http.ResponseWriter, req *http.Request) bool {
	origin := req.Header.Get("Origin")
	server := host.Server{Names: append([]string{r.options.Server}, r.options.Hosts...), Pages: r.options.Origins}
	if origin == "" || server.Allows(req.Host, origin) {
		return true
	}
	refused := r.countPage(time.Now())
	// What a page sends is foreign text.
	shown := plain.Line(origin, 200)
	if refused > 0 {
		r.log.Warn("a web page may not use this relay", "origin", shown, "host", plain.Line(req.Host, 200),
			"refused", refused, "hint",
			fmt.Sprintf("if the page is yours, name it: relay.origins: [%s] in config.yaml, or "+
				"PKSA_RELAY_ORIGINS", quoted(plain.Line(host.Page(origin), 200))))
	}
	if r.options.PageRefused != nil {
		r.options.PageRefused()
	}
	http.Error(w, "pages of "+shown+" may not use this relay; its setting relay.origins names those that may",
		http.StatusForbidden)
	return false
}

// countPage counts a refused page. It returns how many there were since it was last logged, and
// zero if that was a short while ago.
func (r *Relay) countPage(now time.Time) (unlogged uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counters.PagesRefused++
	return r.pagesLog.happened(now)
}

// quoted returns a host as it stands in a list of the settings: in marks, unless YAML reads it
// without.
func quoted(page string) string {
	for _, c := range page {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return "'" + strings.ReplaceAll(page, "'", "") + "'"
		}
	}
	return page
}
