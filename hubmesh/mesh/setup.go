package mesh

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hubmesh/hubmesh/hubmesh/internal/datadir"
	"github.com/hubmesh/hubmesh/shared/store"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// setup makes the streams. Where the log may have lost its end it gets a new
// epoch, before anybody can store something under numbers that clients know
// already.
func (m *Mesh) setup(ctx context.Context) error {
	nc, err := m.open(ctx, subject.Admin, m.Login(subject.Admin))
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := store.Setup(ctx, nc, m.tree, m.cfg.Store, m.kit.Log); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	if m.dir == nil {
		return nil
	}
	why, err := m.lost(ctx, nc)
	if err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	if why != "" {
		m.kit.Log.Warn("mesh: events may be lost, so their log has a new epoch", "why", why)
		if err := store.NewEpoch(ctx, nc, m.tree); err != nil {
			return fmt.Errorf("mesh: %w", err)
		}
	}
	// Here too, as we may never come to an end.
	if err := m.leave(ctx, nc); err != nil {
		return err
	}
	if err := m.dir.Begin(); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	m.begun = true
	return nil
}

// lost returns why the log may have lost its end, or nothing.
func (m *Mesh) lost(ctx context.Context, nc *nats.Conn) (why string, err error) {
	if lost, err := m.dir.Lost(); lost || err != nil {
		return "the machine went down while the last mesh ran", err
	}
	now, err := m.where(ctx, nc)
	if err != nil {
		return "", err
	}
	if fell, err := m.dir.Fell(now); fell || err != nil {
		return "it is not where the last mesh left it", err
	}
	return "", nil
}

// where asks where the log stands.
func (m *Mesh) where(ctx context.Context, nc *nats.Conn) (at datadir.Log, err error) {
	name := m.tree.Stream(subject.Events)
	js, err := jetstream.New(nc)
	if err != nil {
		return at, fmt.Errorf("ask where %s stands: %w", name, err)
	}
	s, err := js.Stream(ctx, name)
	if err != nil {
		return at, fmt.Errorf("ask where %s stands: %w", name, err)
	}
	info := s.CachedInfo()
	return datadir.Log{Epoch: store.Epoch(info), Last: info.State.LastSeq}, nil
}

// leave notes where the log stands, for the next mesh.
func (m *Mesh) leave(ctx context.Context, nc *nats.Conn) error {
	at, err := m.where(ctx, nc)
	if err == nil {
		err = m.dir.Leave(at)
	}
	if err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	return nil
}

// endWait bounds the question where the log stands at the end.
const endWait = 10 * time.Second

// end notes where the log stands when all services have ended. What somebody
// else stores until the server ends is not counted, which is no harm.
func (m *Mesh) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
	defer cancel()
	nc, err := m.open(ctx, subject.Admin, m.Login(subject.Admin))
	if err != nil {
		return err
	}
	defer nc.Close()
	return m.leave(ctx, nc)
}
