package notify

import (
	"context"
	"errors"
	"net/http"
)

// DialPlain dials an address as messages without TLS do.
func DialPlain(ctx context.Context, address string) error {
	t, ok := newTransports().loopback.(*http.Transport)
	if !ok {
		return errors.New("another transport")
	}
	c, err := t.DialContext(ctx, "tcp", address)
	if err == nil {
		err = c.Close()
	}
	return err
}
