package host

import (
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// Server is a server of ours that only this machine or a private network reaches. A web page that a
// browser there shows reaches it, too, and must not use it unasked. A page of evil.example can even
// have that name lead to the server's address (DNS rebinding): then page and server have one origin
// for the browser, and only the name in the request tells.
type Server struct {
	Names []string // patterns of path.Match: by which it is reached, besides those of this machine and addresses
	Pages []string // patterns of path.Match: hosts of web pages that may use it; "*" is any
}

// Knows reports whether a request may name this host: a name of this machine, an address, or one of
// Names. A port may follow. An address cannot lead elsewhere: a page of that origin came from
// there.
func (s Server) Knows(hostport string) bool {
	name := strings.ToLower(bare(hostport))
	if Loopback(name) {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return matches(s.Names, name)
}

// Allows reports whether a page may use the server: one of Pages, or one that the server shows
// itself under a host that it [Server.Knows]. origin is the request's Origin header, and hostport
// its Host header. A page of this machine counts with every port: the pattern localhost is any
// http://localhost:PORT.
func (s Server) Allows(hostport, origin string) bool {
	page, err := url.Parse(origin)
	if err != nil {
		return false
	}
	for _, pattern := range s.Pages {
		if Loopback(pattern) && strings.EqualFold(strings.Trim(pattern, "[]"), page.Hostname()) {
			return true
		}
	}
	if matches(s.Pages, strings.ToLower(page.Host)) || matches(s.Pages, strings.ToLower(page.Scheme+"://"+page.Host)) {
		return true
	}
	return page.Host != "" && strings.EqualFold(page.Host, hostport) && s.Knows(hostport)
}

// Page returns the host of a web page as [Server.Pages] takes it: without the port where every port
// counts.
func Page(origin string) string {
	page, err := url.Parse(origin)
	switch {
	case err != nil || page.Host == "":
		return "*" // a page without a host, such as a file
	case Loopback(page.Hostname()):
		return page.Hostname()
	}
	return page.Host
}

// bare returns a host without its port.
func bare(hostport string) string {
	colon := strings.LastIndexByte(hostport, ':')
	if colon < 0 || strings.HasSuffix(hostport, "]") {
		return hostport
	}
	return hostport[:colon]
}

func matches(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(strings.ToLower(pattern), name); ok && err == nil {
			return true
		}
	}
	return false
}
