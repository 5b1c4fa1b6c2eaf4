package revlogtest

// Secrets takes the place of a key ring in tests: revocation.Open accepts it. Each value stands for
// a ring with its own list key. Anybody can compute these secrets, so they protect nothing.
type Secrets byte

// ListSecret returns the secret for label: always the same for the same Secrets.
func (s Secrets) ListSecret(label string) (out [32]byte) {
	copy(out[:], label)
	out[0] ^= byte(s)
	return out
}
