// Package certificate serves a TLS certificate whose files are replaced while the program runs, as
// those that are renewed each few months. [Pair.Get] is for the field GetCertificate of
// [crypto/tls.Config].
package certificate

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"pksa/keystore/access"
)

// age is how long files are not read again that look as they did, whatever was wrong with them.
const age = time.Minute

// Pair is a certificate with its key, which are read again when one of the files is another one or
// was written, and each minute. The fields are set before the first call, the methods may be called
// concurrently.
type Pair struct {
	Certificate string   // file with the certificate and those of its authorities, PEM
	KeyFile     string   // file with its key, PEM
	Also        []uint32 // users whose files count as this user's own, see [access.Open]
	// Failed is told why the files are not taken, once for each reason, while the pair of before
	// serves on. Nil tells nobody.
	Failed func(err error)

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	read   time.Time
	looks  string // of the files when they were read
	failed string
}

// Get returns the pair. While the files are not whole, as between the renewals of the two, or not
// to be trusted, it returns that of before; an error only if there has been none. A file that
// others can change, or a key that they can read, is not to be trusted.
func (p *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	looks := looksOf(p.Certificate) + looksOf(p.KeyFile)
	if p.pair != nil && p.looks == looks && time.Since(p.read) < age {
		return p.pair, nil
	}
	pair, err := p.load()
	if err != nil && p.pair == nil {
		return nil, err
	}
	p.read, p.looks = time.Now(), looks
	if err == nil {
		p.pair, p.failed = pair, ""
	} else if p.failed != err.Error() && p.Failed != nil {
		p.failed = err.Error()
		p.Failed(err)
	}
	return p.pair, nil
}

// looksOf returns what tells a file from another one, and from itself before it was written.
func looksOf(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return "none "
	}
	return fmt.Sprint(info.Size(), info.Mode(), info.ModTime().UnixNano(), " ")
}

func (p *Pair) load() (*tls.Certificate, error) {
	if err := access.Check(p.Certificate, access.Decision, p.Also...); err != nil {
		return nil, err
	}
	if err := access.Check(p.KeyFile, access.Shared, p.Also...); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(p.Certificate, p.KeyFile)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}
