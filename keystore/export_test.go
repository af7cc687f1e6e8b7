package keystore

// SharedSecrets returns the number of shared secrets that k keeps.
func SharedSecrets(k *Key) int {
	k.cache.Lock()
	defer k.cache.Unlock()
	return len(k.shared)
}

// Len returns the number of keys.
func (b *Batch) Len() int { return len(b.entries) }

// Apart is what works with private keys runs in.
var Apart = apart

// Before returns the number of keys that rotations replaced and that are held.
func Before(s *Store) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, keys := range s.before {
		for _, key := range keys {
			if key != nil {
				n++
			}
		}
	}
	return n
}

// WipeBuffers overwrites what a reader of the age library holds.
var WipeBuffers = wipeBuffers
