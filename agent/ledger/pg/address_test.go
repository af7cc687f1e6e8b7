package pg_test

import (
	"strings"
	"testing"

	"pksa/agent/ledger/pg"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]pg.Address{
		"postgres://wallet@127.0.0.1/l": {Host: "127.0.0.1", Port: 5432, User: "wallet", Database: "l"},
		"postgres://wallet@localhost:6432/l?sslmode=verify-full": {Host: "localhost", Port: 6432, User: "wallet",
			Database: "l", TLS: true},
		"postgres://wallet@db.example/l": {Host: "db.example", Port: 5432, User: "wallet", Database: "l", TLS: true},
		"postgres://wallet@[2001:db8::1]:99/l?sslrootcert=%2Fca.pem": {Host: "2001:db8::1", Port: 99, User: "wallet",
			Database: "l", TLS: true, Roots: "/ca.pem"},
		"postgres://wallet@[::1]/l":             {Host: "::1", Port: 5432, User: "wallet", Database: "l"},
		"postgres://wallet@/l?host=%2Frun%2Fpg": {Host: "/run/pg", Port: 5432, User: "wallet", Database: "l"},
		"postgres://wallet@:77/l?host=%2Frun":   {Host: "/run", Port: 77, User: "wallet", Database: "l"},
	} {
		a, err := pg.ParseAddress(text)
		if err != nil || a != want {
			t.Errorf("%s is %+v, %v", text, a, err)
		}
		if again, err := pg.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%s is written as %s, which is %+v, %v", text, a, again, err)
		}
	}
	long, err := pg.ParseAddress("postgresql://wallet@127.0.0.2/l?sslmode=disable")
	if err != nil || long.TLS {
		t.Errorf("%+v, %v", long, err)
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://wallet:hunter2@127.0.0.1/l":                     "must not hold a password",
		"postgres://wallet@127.0.0.1/l?password=hunter2":            "must not hold a password",
		"postgres://wallet:hunter2@[/l":                             "does not read as",
		"postgres://wallet@127.0.0.1:hunter2/l":                     "does not read as",
		"ledger.db":                                                 "begins with postgres://",
		"mysql://wallet@127.0.0.1/l":                                "begins with postgres://",
		"postgres://127.0.0.1/l":                                    "needs user, host and database",
		"postgres://wallet@127.0.0.1":                               "needs user, host and database",
		"postgres://wallet@127.0.0.1/a/b":                           "needs user, host and database",
		"postgres://wallet@/l":                                      "needs user, host and database",
		"postgres://wallet@127.0.0.1:0/l":                           "port",
		"postgres://wallet@h:65536/l":                               "port",
		"postgres://wallet@h/l#x":                                   "read wrong",
		"postgres://wallet@h/l?a=%zz":                               "read wrong",
		"postgres://wallet@h/l%00?sslmode=verify-full":              "zero byte",
		"postgres://wallet@h/l?sslmode=disable":                     "beyond it",
		"postgres://wallet@10.0.0.1/l?sslmode=disable":              "beyond it",
		"postgres://wallet@h/l?sslmode=require":                     "can be verify-full",
		"postgres://wallet@h/l?sslmode=prefer":                      "can be verify-full",
		"postgres://wallet@127.0.0.1/l?sslmode=allow":               "can be verify-full",
		"postgres://wallet@h/l?sslmode=verify-full&sslmode=disable": "twice",
		"postgres://wallet@h/l?host=/run":                           "names no other host",
		"postgres://wallet@/l?host=run":                             "names no other host",
		"postgres://wallet@/l?host=/run&sslmode=verify-full":        "socket",
		"postgres://wallet@h/l?options=-csynchronous_commit%3Doff":  "parameter",
	} {
		a, err := pg.ParseAddress(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v, %v; want %q", text, a, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, text := range []string{"postgres://wallet@db.example:77/l?sslmode=verify-full&sslrootcert=a%20b",
		"postgresql://wallet@/l?host=%2Frun%2Fpg", "postgres://a:b@c/d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := pg.ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := pg.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q is %+v, written as %q: %+v, %v", text, a, a.String(), again, err)
		}
	})
}
