package passkey

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Site is where a person approves. The zero value is no site: nothing is taken for it.
type Site struct {
	Origin string // of the pages, exactly as browsers write it: "https://wallet.example"
	RPID   string // the relying party of passkeys (§5.1.2): the host of the origin, without port
}

// ParseOrigin reads the address of the pages that people approve on. It has to be written as
// browsers write it, and to be one that browsers make passkeys for: a name with TLS, or localhost.
// The error says what to write instead.
func ParseOrigin(text string) (Site, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Site{}, errors.New("wanted an address as browsers write it, such as https://wallet.example")
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if isAddress(host) {
		return Site{}, errors.New("browsers make no passkeys for IP addresses: give the machine a name, with a " +
			"certificate that browsers trust, or use localhost")
	}
	if err := checkName(host); err != nil {
		return Site{}, err
	}
	if u.Scheme == "http" && host != "localhost" {
		return Site{}, errors.New("browsers make passkeys without TLS for localhost only: write https://")
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return Site{}, errors.New("the port is no number from 1 to 65535")
	} else if port != "" {
		port = ":" + strconv.FormatUint(n, 10)
	}
	if port == map[string]string{"https": ":443", "http": ":80"}[u.Scheme] {
		port = "" // browsers leave the usual port out
	}
	site := Site{Origin: u.Scheme + "://" + host + port, RPID: host}
	if text != site.Origin {
		return Site{}, fmt.Errorf("wanted it as browsers write it: %s", site.Origin)
	}
	return site, nil
}

// isAddress reports whether browsers read a host as an IP address: it has colons, or its last label
// is a number (https://url.spec.whatwg.org, "ends in a number checker").
func isAddress(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || strings.Contains(host, ":") {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	return strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x")
}

// checkName takes names of the DNS in ASCII.
func checkName(host string) error {
	if len(host) > 253 {
		return errors.New("the name of the host is too long")
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("the name of the host is no name of the DNS")
		}
		for _, c := range []byte(label) {
			switch {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			case c >= 0x80:
				return errors.New("write a name with other letters than a to z as browsers send it: " +
					"it begins with xn--")
			default:
				return errors.New("the name of the host is no name of the DNS")
			}
		}
	}
	return nil
}
