package keystore

// SharedSecrets returns the number of shared secrets that k keeps.
func SharedSecrets(k *Key) int {
	k.cache.Lock()
	defer k.cache.Unlock()
	return len(k.shared)
}

// Len returns the number of keys.
func (b *Batch) Len() int { return len(b.entries) }
