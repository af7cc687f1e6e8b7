package notify

import (
	"context"
	"strings"
	"sync"

	"pksa/keystore"
)

// sourceEnv begins a source that is a variable of the environment.
const sourceEnv = "env:"

// secrets reads what notifiers need. Files are read at each message, so that one that is replaced
// counts; a variable of the environment can be read once, and is kept.
type secrets struct {
	mu   sync.Mutex
	kept map[string]keystore.Secret // by source
}

// read returns a secret that the caller wipes.
func (s *secrets) read(ctx context.Context, text string) (keystore.Secret, error) {
	source, err := keystore.ParseSource(text)
	if err != nil {
		return keystore.Secret{}, err
	}
	if !strings.HasPrefix(text, sourceEnv) {
		return source.Read(ctx, nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.kept[text]; !known {
		secret, err := source.Read(ctx, nil)
		if err != nil {
			return keystore.Secret{}, err
		}
		if s.kept == nil {
			s.kept = map[string]keystore.Secret{}
		}
		s.kept[text] = secret
	}
	return keystore.NewSecret(append([]byte(nil), s.kept[text].Bytes()...)), nil
}
