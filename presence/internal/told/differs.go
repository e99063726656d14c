package told

import (
	"iter"
	"maps"

	"github.com/hubmesh/hubmesh/presence/internal/roster"
)

// Differs is every user, in each room and in the mesh, whom others were told to
// be otherwise than a roster has them, in no order: those for whom Next does
// not say Known. Neither may change meanwhile.
//
// It goes through both once. Asking Next of everyone in both took twice as long
// with a million members, since each had to be looked for in both.
func (v *View) Differs(r *roster.Roster) iter.Seq[roster.Touch] {
	return func(yield func(roster.Touch) bool) {
		if !v.differ(r, "", yield) {
			return
		}
		for room := range r.Rooms() {
			if !v.differ(r, room, yield) {
				return
			}
		}
		for room := range v.rooms {
			if !r.Named(room) && !v.differ(r, room, yield) {
				return
			}
		}
	}
}

// differ is Differs for one room, or for the mesh. It reports false when yield
// has.
func (v *View) differ(r *roster.Roster, room string, yield func(roster.Touch) bool) bool {
	both := 0
	for user, is := range r.Faces(room) {
		of := roster.Touch{Room: room, User: user}
		w, told := v.find(of)
		if told {
			both++
		}
		if (!told || *w.face != is) && !yield(of) {
			return false
		}
	}
	if both == v.Len(room) {
		return true
	}
	for user := range v.names(room) {
		of := roster.Touch{Room: room, User: user}
		if _, here := r.Visible(of); !here && !yield(of) {
			return false
		}
	}
	return true
}

// names is the users who were told to be in a room, or in the mesh.
func (v *View) names(room string) iter.Seq[string] {
	if room == "" {
		return maps.Keys(v.users)
	}
	return func(yield func(string) bool) {
		for user := range v.After(room, "") {
			if !yield(user) {
				return
			}
		}
	}
}
