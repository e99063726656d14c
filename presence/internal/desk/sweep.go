package desk

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/hubmesh/hubmesh/presence/internal/ledger"
	"github.com/hubmesh/hubmesh/presence/internal/roster"
	"github.com/hubmesh/hubmesh/shared/kv"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// SweptReason is why a connection ended whose gateway did.
const SweptReason = "gateway lost"

// probe begins the keys that show that the bucket takes writes. No user has it:
// a token is never "=" alone.
const probe = "=.=."

// Prove stores a record in HUB_PRESENCE that says nothing, and returns nil when
// it is stored.
func (d *Desk) Prove(ctx context.Context, id string) error {
	_, err := d.ledger.Store(ctx, ledger.Record{
		Subject: d.cfg.Tree.Key(subject.Here, probe+subject.Escape(id)), After: ledger.Any, Stays: marker, Gone: true,
	})
	return err
}

// Gateways is the gateways that connections here are of.
func (d *Desk) Gateways() (ids []string, whole bool) {
	whole = d.Read(func(k Known) {
		for id := range k.Roster.Gateways() {
			ids = append(ids, id)
		}
	})
	return ids, whole
}

// Sweep ends the connections of a gateway that is dead, without grace: its
// lease was their grace. Several replicas may sweep at once; each connection is
// ended by one of them. It returns how many this one has ended, and an error
// when some may be left.
func (d *Desk) Sweep(ctx context.Context, gateway string) (ended int, err error) {
	keys := d.staying(gateway)
	rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] }) //nolint:gosec // so that replicas meet seldom
	for len(keys) > 0 {
		some := keys[:min(len(keys), most)]
		keys = keys[len(some):]
		var answers []*ledger.Answer
		for _, key := range some {
			if r, ok := d.swept(key); ok {
				answers = append(answers, d.ledger.Send(r))
			}
		}
		for _, a := range answers {
			switch _, stored := a.Wait(ctx); {
			case stored == nil:
				ended++
				d.meter.Swept.Inc()
			case !kv.Raced(stored):
				err = stored
			}
		}
		if err != nil {
			return ended, fmt.Errorf("presence: sweep %s: %w", gateway, err)
		}
	}
	return ended, nil
}

// staying is a gateway's connections that have not ended.
func (d *Desk) staying(gateway string) (keys []roster.Key) {
	d.Read(func(k Known) {
		for key := range k.Roster.Keys(func(g string, end *wire.PresenceEnd, _ bool) bool { return g == gateway && end == nil }) {
			keys = append(keys, key)
		}
	})
	return keys
}

// swept is the record that ends a connection of a dead gateway.
func (d *Desk) swept(key roster.Key) (r ledger.Record, ok bool) {
	rec, seq, ok := d.record(key)
	if !ok || rec.End != nil {
		return r, false
	}
	rec.End = &wire.PresenceEnd{At: d.cfg.Now().UnixMilli(), Reason: SweptReason}
	rec.Swept = true
	return ledger.Record{Subject: d.subject(key), Body: rec, After: seq}, true
}
