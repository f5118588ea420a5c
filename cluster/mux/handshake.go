package mux

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
)

// The handshake, all sizes in bytes:
//
//	dialer   -> acceptor: protocol (1) version (1) nonce (16)
//	acceptor -> dialer:   nonce (16)
//	dialer   -> acceptor: HMAC-SHA256 (32) of "dialer" protocol version nonces
//	acceptor -> dialer:   HMAC-SHA256 (32) of "acceptor" protocol version nonces
//
// The key comes from the shared secret. Without one it comes from the empty
// secret: that keeps out what is not this protocol, such as port scanners and
// clients that took the wrong port, before it reaches any decoder. With TLS all
// of it goes over the TLS connection.
const (
	version   = 1
	nonceSize = 16
	macSize   = sha256.Size
)

// Key derives a 32-byte key for one purpose from the shared secret.
func Key(secret, purpose string) []byte {
	mac := hmac.New(sha256.New, []byte("respkv:"+purpose))
	mac.Write([]byte(secret))
	return mac.Sum(nil)
}

func proof(key []byte, side string, hello, nonce []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(side))
	mac.Write(hello)
	mac.Write(nonce)
	return mac.Sum(nil)
}

// dialHandshake runs the dialer's side.
func dialHandshake(conn io.ReadWriter, key []byte, p Protocol) error {
	hello := make([]byte, 2+nonceSize)
	hello[0], hello[1] = byte(p), version
	if _, err := rand.Read(hello[2:]); err != nil {
		return err
	}
	if _, err := conn.Write(hello); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	nonce := make([]byte, nonceSize)
	if _, err := io.ReadFull(conn, nonce); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if _, err := conn.Write(proof(key, "dialer", hello, nonce)); err != nil {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	answer := make([]byte, macSize)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	if !hmac.Equal(answer, proof(key, "acceptor", hello, nonce)) {
		return ErrAuth
	}
	return nil
}

// acceptHandshake runs the acceptor's side and returns the protocol asked for.
// The dialer may know any of the keys.
func acceptHandshake(conn io.ReadWriter, keys [][]byte, known func(Protocol) bool) (Protocol, error) {
	hello := make([]byte, 2+nonceSize)
	if _, err := io.ReadFull(conn, hello[:2]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if hello[0] == tlsRecord {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, errTLSHere)
	}
	p := Protocol(hello[0])
	if hello[1] != version || !known(p) {
		return 0, fmt.Errorf("%w: %v version %d", ErrHandshake, p, hello[1])
	}
	if _, err := io.ReadFull(conn, hello[2:]); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return 0, err
	}
	if _, err := conn.Write(nonce); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	answer := make([]byte, macSize)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	i := slices.IndexFunc(keys, func(key []byte) bool { return hmac.Equal(answer, proof(key, "dialer", hello, nonce)) })
	if i < 0 {
		return 0, ErrAuth
	}
	if _, err := conn.Write(proof(keys[i], "acceptor", hello, nonce)); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return p, nil
}
