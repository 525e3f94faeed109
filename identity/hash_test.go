package identity

import "testing"

// What is read as a hash can neither take much memory nor much time.
func FuzzParseHash(f *testing.F) {
	const salt, sum = "c29tZXNhbHQxNmJ5dGVzIQ", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	f.Add("$argon2id$v=19$m=32768,t=5,p=1$" + salt + "$" + sum)
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=255$" + salt + "$" + sum)
	f.Add("")
	f.Fuzz(func(t *testing.T, hash string) {
		p, err := parseHash(hash)
		if err == nil && (p.memory > maxHashMemory || p.passes > maxHashPasses || p.passes < 1 || p.lanes < 1 || len(p.sum) != hashSize) {
			t.Errorf("took %q: %+v", hash, p)
		}
	})
}
