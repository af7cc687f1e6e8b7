package keystore

import "slices"

// SharedSecrets returns the number of shared secrets that k keeps.
func SharedSecrets(k *Key) int {
	k.cache.Lock()
	defer k.cache.Unlock()
	return len(k.shared)
}

// Recipients returns the age recipients to which the file is locked, those of the identities first;
// none for a passphrase.
func (s *Store) Recipients() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.recipients)
}

// Len returns the number of keys.
func (b *Batch) Len() int { return len(b.entries) }
