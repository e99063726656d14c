package client

import "sync"

const (
	// replayBytes is about what replayed lines may hold, of all connections
	// together, that were offered and not yet written.
	replayBytes = 64 << 20
	// mostOfPart is held for a part of a room's past before it is known how
	// much it is.
	mostOfPart = 1 << 20
)

// shares bounds what replays hold in memory. Who wants a share waits in line
// for it, and holds no more than its place meanwhile: however many come back
// and do not read, memory is bounded, and each gets on by a part when it is its
// turn. Safe for concurrent use.
type shares struct {
	mu   sync.Mutex // guards all below; nobody is called while it is held
	free int        // bytes; below zero where parts were larger than expected
	line []share    // in order; the first waits because it does not fit
	busy bool       // somebody is calling those whose turn it is
}

type share struct {
	bytes int
	have  func()
}

// take calls have, which must not block, when so many bytes are the caller's:
// now or when others have given enough.
func (s *shares) take(bytes int, have func()) {
	s.mu.Lock()
	now := len(s.line) == 0 && s.free >= bytes
	if now {
		s.free -= bytes
	} else {
		s.line = append(s.line, share{bytes, have})
	}
	s.mu.Unlock()
	if now {
		have()
	}
}

// give gives bytes back; below zero, it takes more without waiting. Those whose
// turn it is are called by one who gives, one after the other: each gives in
// its turn, and would else call the next from within.
func (s *shares) give(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += bytes
	if s.busy {
		return
	}
	s.busy = true
	for len(s.line) > 0 && s.free >= s.line[0].bytes {
		next := s.line[0]
		s.line[0] = share{} // lets it go
		s.line = s.line[1:]
		s.free -= next.bytes
		s.mu.Unlock()
		next.have()
		s.mu.Lock()
	}
	s.busy = false
}

// wanted reports whether somebody waits.
func (s *shares) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.line) > 0
}
