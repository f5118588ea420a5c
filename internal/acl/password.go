package acl

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// HashPassword is the form in which passwords are kept: SHA-256 in lower-case
// hexadecimal.
func HashPassword(password []byte) string {
	sum := sha256.Sum256(password)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for _, b := range []byte(s) {
		if (b < '0' || b > '9') && (b < 'a' || b > 'f') {
			return false
		}
	}
	return true
}

// Accepts says whether a client that gives this password may log in as u. u may
// be nil: there is no such user. The time it takes tells neither how much of a
// password was right nor, but for a user with many passwords, whether the user
// exists: the given one is hashed in any case, and hashes are compared as a whole.
func (u *User) Accepts(password []byte) bool {
	given := HashPassword(password)
	if u == nil || !u.Enabled {
		subtle.ConstantTimeCompare([]byte(given), []byte(given))
		return false
	}
	right := 0
	for _, p := range u.passwords {
		right |= subtle.ConstantTimeCompare([]byte(given), []byte(p))
	}
	return u.NoPassword || right == 1
}

// GeneratePassword returns bits random bits, rounded up to whole digits, in
// hexadecimal.
func GeneratePassword(bits int) string {
	digits := (bits + 3) / 4
	raw := make([]byte, (digits+1)/2)
	rand.Read(raw) // never fails (documented)
	return hex.EncodeToString(raw)[:digits]
}
