// Package jwks holds the public keys that an issuer publishes as a JSON Web Key
// Set (RFC 7517), and reads them again as the issuer changes them.
//
// It judges no token (token does). What was read is believed until it is read
// again: an issuer that is away locks nobody out. A token that names an unknown
// key makes it look at once, but not often: such names cost nothing to make up.
//
// keyfunc and the client of jwkset do the same, but start goroutines that nobody
// can wait for, and do not tell whether they ever read anything; so of that
// family only the reading of a key is used.
//
// Read this file first, then read.go.
package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hubmesh/hubmesh/authz/internal/meter"
	"github.com/hubmesh/hubmesh/shared/obs"
)

// Config says what is read, and how often. URL must be set.
type Config struct {
	URL     string
	Every   time.Duration // between two readings; 0 means 5m
	Again   time.Duration // after one that failed; 0 means 5s
	Between time.Duration // the least time between readings for unknown keys; 0 means 10s
	Wait    time.Duration // bound of one reading; 0 means 5s
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p    *time.Duration
		zero time.Duration
	}{{&c.Every, 5 * time.Minute}, {&c.Again, 5 * time.Second}, {&c.Between, 10 * time.Second}, {&c.Wait, 5 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.zero
		}
	}
	return c
}

// ErrUnread is told before the first reading.
var ErrUnread = errors.New("jwks: the issuer's keys could not be read yet")

// maxBytes bounds an answer. A key takes half a kilobyte, with certificates a
// few.
const maxBytes = 1 << 20

// Set is the keys of one issuer. Its methods are safe for concurrent use.
type Set struct {
	cfg    Config
	client *http.Client
	meter  *meter.Meter
	log    *slog.Logger
	wake   chan struct{} // holds one: somebody waits for a reading

	mu    sync.Mutex // guards all below
	keys  map[name]any
	read  bool
	tried time.Time     // when the last reading began
	begun int           // readings
	ended int           // likewise; one less than begun while one is under way
	done  chan struct{} // closed at the end of the next reading to end
}

// name is what a token says of the key that has signed it.
type name struct{ kid, alg string }

// New returns a Set without keys; Serve reads them.
func New(cfg Config, m *meter.Meter, log *slog.Logger) *Set {
	return &Set{
		cfg: cfg.withDefaults(), client: &http.Client{}, meter: m, log: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// Key returns the key of a name that is used with alg. It is a token.Keys.
func (s *Set) Key(kid, alg string) (key any, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok = s.keys[name{kid, alg}]
	return key, ok
}

// Ready returns ErrUnread until keys were read once.
func (s *Set) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		return ErrUnread
	}
	return nil
}

// Refresh returns when the keys were read since it was called, or could not be.
// It begins no reading so soon after the last one, but waits for one that is
// under way.
func (s *Set) Refresh(ctx context.Context) {
	s.mu.Lock()
	until := s.begun
	if time.Since(s.tried) >= s.cfg.Between {
		until++
	}
	s.mu.Unlock()
	for {
		s.mu.Lock()
		begun, ended, done := s.begun, s.ended, s.done
		s.mu.Unlock()
		if ended >= until {
			return
		}
		if begun < until {
			select {
			case s.wake <- struct{}{}:
			default: // somebody else waits already
			}
		}
		select {
		case <-done:
		case <-ctx.Done():
			return
		}
	}
}

// Serve reads the keys, now and again, until ctx ends.
func (s *Set) Serve(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
		next := s.cfg.Every
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			next = s.cfg.Again
			s.meter.Key(false)
			s.log.Error("jwks: keys are not read, those from before hold", obs.Addr, s.cfg.URL, obs.Err, err)
		}
		timer.Reset(next)
	}
}

// look reads the keys once.
func (s *Set) look(ctx context.Context) error {
	s.mu.Lock()
	s.tried = time.Now()
	s.begun++
	s.mu.Unlock()
	keys, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
	close(s.done)
	s.done = make(chan struct{})
	if err != nil {
		return err
	}
	s.keys, s.read = keys, true
	s.meter.Key(true)
	return nil
}

func (s *Set) fetch(ctx context.Context) (map[name]any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("jwks: ask for keys: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("jwks: ask for keys: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: ask for keys: %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("jwks: read keys: %w", err)
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("jwks: read keys: longer than %d bytes", maxBytes)
	}
	return s.readKeys(text)
}
