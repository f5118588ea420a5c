package mux

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
)

// The handshake, before the protocol's own first byte:
//
//	dialer                                   listener
//	protocol, version, authentication  -->
//	nonce D (32 bytes)                 -->
//	                                   <--   status
//	                                   <--   nonce L (32), proof L (32)      with a secret only
//	proof D (32)                       -->                                   with a secret only
//	                                   <--   status                          with a secret only
//
// proof X = HMAC-SHA256(secret, role of X, protocol, nonce D, nonce L). Both
// sides prove that they know the secret and neither shows it; the nonces make
// every proof good for one connection.
const (
	handshakeVersion = 1

	authNone   = 0
	authSecret = 1

	statusOK      = 0
	statusVersion = 1 // the listener speaks another version
	statusAuth    = 2 // one side has a secret and the other has none, or the proof is wrong
	statusUnknown = 3 // nobody handles that protocol here

	nonceSize = 32
)

const (
	roleDialer   = 'd'
	roleListener = 'l'
)

func proof(secret string, role byte, p Protocol, dialer, listener []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte{role, byte(p)})
	mac.Write(dialer)
	mac.Write(listener)
	return mac.Sum(nil)
}

func authMode(secret string) byte {
	if secret == "" {
		return authNone
	}
	return authSecret
}

// offer is the dialer's side. rw has a deadline.
func offer(rw io.ReadWriter, p Protocol, secret string) error {
	var hello [3 + nonceSize]byte
	hello[0], hello[1], hello[2] = byte(p), handshakeVersion, authMode(secret)
	nonce := hello[3:]
	rand.Read(nonce) // never fails (documented)
	if _, err := rw.Write(hello[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if err := readStatus(rw); err != nil {
		return err
	}
	if secret == "" {
		return nil
	}
	var answer [nonceSize + sha256.Size]byte
	if _, err := io.ReadFull(rw, answer[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	theirs := answer[:nonceSize]
	if !hmac.Equal(answer[nonceSize:], proof(secret, roleListener, p, nonce, theirs)) {
		return fmt.Errorf("%w: the other side does not know the cluster's secret", ErrAuth)
	}
	if _, err := rw.Write(proof(secret, roleDialer, p, nonce, theirs)); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return readStatus(rw)
}

func readStatus(r io.Reader) error {
	var status [1]byte
	if _, err := io.ReadFull(r, status[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	switch status[0] {
	case statusOK:
		return nil
	case statusVersion:
		return fmt.Errorf("%w: the other node speaks another version", ErrHandshake)
	case statusAuth:
		return fmt.Errorf("%w: cluster.secret differs", ErrAuth)
	case statusUnknown:
		return fmt.Errorf("%w: the other node is not ready for this protocol", ErrHandshake)
	}
	return fmt.Errorf("%w: unknown status %d", ErrHandshake, status[0])
}

// answer is the listener's side: it returns the protocol that was asked for.
// known says whether there is a handler for it.
func answer(rw io.ReadWriter, secret string, known func(Protocol) bool) (Protocol, error) {
	var hello [3 + nonceSize]byte
	if _, err := io.ReadFull(rw, hello[:3]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	refuse := func(status byte, err error) (Protocol, error) {
		_, _ = rw.Write([]byte{status}) // it is closed next, whether this arrives or not
		return 0, err
	}
	p := Protocol(hello[0])
	switch {
	case hello[1] != handshakeVersion:
		return refuse(statusVersion, fmt.Errorf("%w: version %d", ErrHandshake, hello[1]))
	case hello[2] != authMode(secret):
		return refuse(statusAuth, fmt.Errorf("%w: one side has a secret, the other has none", ErrAuth))
	}
	if _, err := io.ReadFull(rw, hello[3:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if secret == "" {
		if !known(p) {
			return refuse(statusUnknown, fmt.Errorf("%w: no handler for %v", ErrHandshake, p))
		}
		_, err := rw.Write([]byte{statusOK})
		return p, err
	}
	dialer := hello[3:]
	var reply [1 + nonceSize + sha256.Size]byte
	reply[0] = statusOK
	own := reply[1 : 1+nonceSize]
	rand.Read(own) // never fails (documented)
	copy(reply[1+nonceSize:], proof(secret, roleListener, p, dialer, own))
	if _, err := rw.Write(reply[:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	var theirs [sha256.Size]byte
	if _, err := io.ReadFull(rw, theirs[:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if !hmac.Equal(theirs[:], proof(secret, roleDialer, p, dialer, own)) {
		return refuse(statusAuth, fmt.Errorf("%w: wrong proof", ErrAuth))
	}
	if !known(p) { // said only to those who know the secret
		return refuse(statusUnknown, fmt.Errorf("%w: no handler for %v", ErrHandshake, p))
	}
	_, err := rw.Write([]byte{statusOK})
	return p, err
}
