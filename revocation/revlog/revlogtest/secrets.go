package revlogtest

// Secrets stands for a key ring where a test opens a list: revocation.Open takes it in place of
// one. Each value is a ring with a list key of its own. Anybody can compute these secrets, so they
// protect nothing.
type Secrets byte

// ListSecret returns the secret for label: always the same for the same Secrets.
func (s Secrets) ListSecret(label string) (out [32]byte) {
	copy(out[:], label)
	out[0] ^= byte(s)
	return out
}
