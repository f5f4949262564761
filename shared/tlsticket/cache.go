// Package tlsticket shares TLS client sessions between the instances of a function through Redis, so that one that
// starts cold resumes a session instead of a full handshake. Sessions are secrets: they are sealed (AES-256-GCM), bound to
// where they belong, used once and kept for an hour at most. No connection ever waits for Redis.
package tlsticket

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// life is shorter than the keys with which servers seal their tickets live.
	life = time.Hour
	// local is how many sessions of a host are kept for this process; what is beyond it is shared, and the rest at the end.
	local = 1
	// shared is how many of a host are in Redis.
	shared = 8
	// patience is what Prefetch may take, shareTimeout what sharing may.
	patience     = 5 * time.Millisecond
	shareTimeout = 250 * time.Millisecond
	minSecret    = 32
)

// ErrSecret means that the secret is shorter than 32 bytes.
var ErrSecret = errors.New("the secret of TLS sessions must have at least 32 bytes")

// Config is what a Cache needs.
type Config struct {
	Redis redis.Scripter
	// Secret seals the sessions; all instances have the same.
	Secret string
	// Ports are the ports of the hosts whose sessions are shared, by host name.
	Ports map[string]string
	// ALPN is the protocols that connections offer, in their order; Roots names the set of trusted roots, empty for the
	// system's. A session is used only where both are the same.
	ALPN  []string
	Roots string
	// Patience is what Prefetch may take for all hosts together; 0 is 5 ms: a start must not wait for a slow Redis.
	Patience time.Duration
}

// Cache is a tls.ClientSessionCache. It may be used concurrently.
type Cache struct {
	config Config
	seal   cipher.AEAD
	put    *redis.Script
	pop    *redis.Script

	mu       sync.Mutex
	sessions map[string][]*tls.ClientSessionState
	closed   bool
	sharing  sync.WaitGroup
}

var _ tls.ClientSessionCache = (*Cache)(nil)

// New returns an empty cache.
func New(cfg Config) (*Cache, error) {
	if len(cfg.Secret) < minSecret {
		return nil, ErrSecret
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	key, err := hkdf.Key(sha256.New, []byte(cfg.Secret), nil, "opitios-alpaca tls sessions 1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of TLS sessions: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal of TLS sessions: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal of TLS sessions: %w", err)
	}
	return &Cache{
		config: cfg, seal: seal, sessions: make(map[string][]*tls.ClientSessionState),
		put: redis.NewScript(`
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
return redis.call('PEXPIRE', KEYS[1], ARGV[3])`),
		// Taking and deleting are one step: a session is used once.
		pop: redis.NewScript(`return redis.call('RPOP', KEYS[1])`),
	}, nil
}

// TLS returns base with the cache in it. Of a resumed connection the certificates are verified again: a session must not
// outlive the trust in them.
func (c *Cache) TLS(base *tls.Config) *tls.Config {
	own := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		own = base.Clone()
	}
	own.ClientSessionCache = c
	before := own.VerifyConnection
	own.VerifyConnection = func(state tls.ConnectionState) error {
		if before != nil {
			if err := before(state); err != nil {
				return err
			}
		}
		if !state.DidResume {
			return nil
		}
		return verify(own.RootCAs, state)
	}
	return own
}

func verify(roots *x509.CertPool, state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("resumed session without certificates")
	}
	options := x509.VerifyOptions{Roots: roots, DNSName: state.ServerName, Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return fmt.Errorf("resumed session: %w", err)
	}
	return nil
}

// identity is what a session belongs to; empty for a host whose sessions are not shared. The encoding of sessions may
// change with Go's version.
func (c *Cache) identity(host string) string {
	port := c.config.Ports[host]
	if port == "" {
		return ""
	}
	return strings.Join([]string{host, port, strings.Join(c.config.ALPN, ","), runtime.Version(), c.config.Roots}, "|")
}

func redisKey(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return "tls-session:{" + hex.EncodeToString(sum[:16]) + "}"
}

// Get returns a session of the host and forgets it. It never waits.
func (c *Cache) Get(host string) (*tls.ClientSessionState, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.sessions[host]
	if len(kept) == 0 {
		return nil, false
	}
	last := len(kept) - 1
	newest := kept[last]
	kept[last] = nil
	c.sessions[host] = kept[:last]
	return newest, true
}

// Put keeps a session; crypto/tls calls it only after a handshake that was verified. What this process does not need goes
// to the others, in the background.
func (c *Cache) Put(host string, session *tls.ClientSessionState) {
	if session == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[host] = append(c.sessions[host], session)
	if kept := c.sessions[host]; len(kept) > local {
		surplus := kept[0]
		c.sessions[host] = slices.Delete(kept, 0, 1)
		if identity := c.identity(host); identity != "" && !c.closed {
			c.sharing.Go(func() { c.share(context.Background(), identity, surplus) })
		}
	}
}

func (c *Cache) share(ctx context.Context, identity string, session *tls.ClientSessionState) {
	sealed, err := c.encode(identity, session)
	if err != nil {
		return // a session that can't be shared costs nothing
	}
	ctx, cancel := context.WithTimeout(ctx, max(shareTimeout, c.config.Patience))
	defer cancel()
	_ = c.put.Run(ctx, c.config.Redis, []string{redisKey(identity)}, sealed, shared, life.Milliseconds()).Err() // without Redis: the same
}

// Prefetch takes one session of each host from Redis, if it is there within a few milliseconds. It returns how many.
func (c *Cache) Prefetch(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, c.config.Patience)
	defer cancel()
	var found int
	for host := range c.config.Ports {
		identity := c.identity(host)
		sealed, err := c.pop.Run(ctx, c.config.Redis, []string{redisKey(identity)}).Text()
		if err != nil {
			continue
		}
		session, err := c.decode(identity, []byte(sealed))
		if err != nil {
			continue
		}
		c.mu.Lock()
		c.sessions[host] = append(c.sessions[host], session)
		c.mu.Unlock()
		found++
	}
	return found
}

// Close shares what is left, for the instance that starts next. It returns when that is done, or at the end of ctx.
func (c *Cache) Close(ctx context.Context) {
	c.mu.Lock()
	left := c.sessions
	c.sessions, c.closed = make(map[string][]*tls.ClientSessionState), true
	c.mu.Unlock()
	for host, kept := range left {
		identity := c.identity(host)
		for _, session := range kept {
			if identity != "" {
				c.sharing.Go(func() { c.share(ctx, identity, session) })
			}
		}
	}
	c.sharing.Wait()
}

func (c *Cache) encode(identity string, session *tls.ClientSessionState) ([]byte, error) {
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return nil, errors.Join(err, errors.New("no session"))
	}
	encoded, err := state.Bytes()
	if err != nil {
		return nil, err
	}
	plain := binary.BigEndian.AppendUint32(nil, uint32(len(ticket)))
	plain = append(append(plain, ticket...), encoded...)
	nonce := make([]byte, c.seal.NonceSize())
	_, _ = rand.Read(nonce) // crypto/rand never fails: it ends the program instead
	return c.seal.Seal(nonce, nonce, plain, []byte(identity)), nil
}

var errSealed = errors.New("not a sealed TLS session")

func (c *Cache) decode(identity string, sealed []byte) (*tls.ClientSessionState, error) {
	if len(sealed) < c.seal.NonceSize() {
		return nil, errSealed
	}
	plain, err := c.seal.Open(nil, sealed[:c.seal.NonceSize()], sealed[c.seal.NonceSize():], []byte(identity))
	if err != nil || len(plain) < 4 {
		return nil, errSealed
	}
	size := binary.BigEndian.Uint32(plain)
	if uint64(size) > uint64(len(plain)-4) {
		return nil, errSealed
	}
	state, err := tls.ParseSessionState(plain[4+size:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSealed, err)
	}
	session, err := tls.NewResumptionState(plain[4:4+size], state)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSealed, err)
	}
	return session, nil
}
