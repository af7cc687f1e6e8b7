package config

import (
	"net/netip"
	"regexp"
)

// serviceLink is how the variables end that Kubernetes sets in each container of a namespace for
// each Service of it, after the Service's name.
var serviceLink = regexp.MustCompile(
	`^(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// isServiceLink reports whether a variable is one that Kubernetes sets for a Service whose name
// begins with "pksa", such as PKSA_PORT=tcp://10.0.0.1:9480: it is no setting, and nobody has
// misspelt one. Of each such Service there is the address, too.
func isServiceLink(vars map[string]string, name string) bool {
	for i, r := range name {
		if r != '_' || !serviceLink.MatchString(name[i+1:]) {
			continue
		}
		if _, err := netip.ParseAddr(vars[name[:i]+"_SERVICE_HOST"]); err == nil {
			return true
		}
	}
	return false
}
