package book

import (
	"github.com/hubmesh/hubmesh/authz/internal/policy"
	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
	"github.com/hubmesh/hubmesh/shared/wire"
)

// policies is the bucket of rules, by type of rooms.
type policies struct{ book *Book }

// read reads the rules of a type. Rules that cannot be read leave those before
// them as they are; where nothing is known of any before, they allow nothing:
// what is built in may be more than was ever meant.
func (p policies) read(typ string, value []byte, gone, first bool) change {
	b := p.book
	if gone {
		return p.change(typ, nil)
	}
	rules, err := policy.ReadValue(b.place(subject.Policy, typ), typ, value)
	if err == nil {
		return p.change(typ, rules)
	}
	b.meter.Refused.Inc()
	if !first {
		b.log.Error("book: policy is refused, the one before stays", obs.Bucket, b.tree.Bucket(subject.Policy), obs.Key, typ, obs.Err, err)
		return nil
	}
	b.log.Error("book: policy is refused, and rooms of the type are nobody's", obs.Bucket, b.tree.Bucket(subject.Policy), obs.Key, typ, obs.Err, err)
	return p.change(typ, policy.Broken(typ, err))
}

// change puts rules in place; nil are those built in.
func (p policies) change(typ string, rules *policy.Rules) change {
	return func(bool) []wire.Touched {
		if rules == nil {
			delete(p.book.rules, typ)
		} else {
			p.book.rules[typ] = rules
		}
		return []wire.Touched{{Types: []string{typ}}}
	}
}

func (p policies) forget() { clear(p.book.rules) }
