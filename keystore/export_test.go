package keystore

// SharedSecrets is the number of shared secrets that k keeps.
func SharedSecrets(k *Key) int {
	k.cache.Lock()
	defer k.cache.Unlock()
	return len(k.shared)
}
