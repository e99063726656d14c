// Package rights sees to it that what users were allowed here does not outlive
// a change of policy, relations or revocations.
//
// It decides nothing, since authz does, and knows no protocol and no
// connection but through Members. The flow:
//
//	KV buckets ─► Watch hears a sequence, and asks authz whom it touched
//	                ├─► Desk forgets what it was told, and asks with at least that sequence from now on
//	                └─► Members ask again, through the Desk; who may no longer be in a room leaves it
//	      meanwhile Gate bounds for how long events go on to members
//
// A join that was decided before a change and is entered after it cannot slip
// through: it is either found by Members, or its answer is older than the
// change, and it is asked again.
//
// Read watch.go first, then work.go (what a change leads to), gate.go (when
// events go on), desk.go and queue.go (questions: each once, and for many at
// once), change.go (whom a change concerns) and revoked.go.
package rights
