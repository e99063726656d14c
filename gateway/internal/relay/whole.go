package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hubmesh/hubmesh/shared/obs"
	"github.com/hubmesh/hubmesh/shared/subject"
)

// judgeWait bounds one question about what the log still holds.
const judgeWait = 2 * time.Second

// lastToken is a subject's last token.
func lastToken(subj string) string { return subj[strings.LastIndexByte(subj, '.')+1:] }

// wholeRooms returns those rooms with members here that the leader proves to
// have lost no event at or after from.
func (r *Relay) wholeRooms(from uint64) map[string]bool {
	proven := map[string]bool{}
	for _, key := range r.rooms.Keys() {
		// By the connection that the log is heard by: the other may not be back yet.
		whole, err := r.whole(r.nc, key, from)
		if err != nil { // nobody answers: no use in asking for each room
			r.log.Warn("relay: what rooms have lost is not known", "key", key, obs.Err, err)
			break
		}
		if whole {
			proven[key] = true
		}
	}
	return proven
}

// whole reports whether the log still holds all events of a room from seq on.
// It does when the room's oldest kept event is at or before seq, or when the
// room holds fewer than its maximum, so that none was evicted for its sake,
// and the stream begins at or before seq, so that none was evicted for age or
// size. Asked of the leader; not to be called from a NATS handler.
func (r *Relay) whole(nc *nats.Conn, key string, seq uint64) (bool, error) {
	room, ok := subject.ParseKey(key)
	if !ok {
		return false, nil
	}
	subj, stream := r.tree.Event(room), r.tree.Stream(subject.Events)
	var oldest struct {
		Message *struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := askStream(nc, subject.LeaderGet(stream), map[string]any{"seq": 1, "next_by_subj": subj}, &oldest); err != nil {
		return false, err
	}
	if oldest.Message != nil && oldest.Message.Seq <= seq {
		return true, nil
	}
	var info struct {
		Config struct {
			MaxPerSubject int64 `json:"max_msgs_per_subject"`
		} `json:"config"`
		State struct {
			First    uint64           `json:"first_seq"`
			Subjects map[string]int64 `json:"subjects"`
		} `json:"state"`
	}
	if err := askStream(nc, subject.StreamInfo(stream), map[string]any{"subjects_filter": subj}, &info); err != nil {
		return false, err
	}
	most := info.Config.MaxPerSubject
	return (most <= 0 || info.State.Subjects[subj] < most) && info.State.First <= seq, nil
}

var errNoLeader = errors.New("relay: the stream has no leader")

// noMessage is JetStream's code for "there is none", which is an answer.
const noMessage = 10037

func askStream(nc *nats.Conn, subj string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return fmt.Errorf("relay: ask %s: %w", subj, err)
	}
	m, err := nc.Request(subj, body, judgeWait)
	if err != nil {
		return fmt.Errorf("relay: ask %s: %w", subj, err)
	}
	var fault struct {
		Error *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
		Cluster *struct {
			Leader string `json:"leader"`
		} `json:"cluster"`
	}
	if err := json.Unmarshal(m.Data, &fault); err != nil {
		return fmt.Errorf("relay: answer of %s: %w", subj, err)
	}
	switch {
	case fault.Error != nil && fault.Error.Code == noMessage:
		return nil
	case fault.Error != nil:
		return fmt.Errorf("relay: ask %s: %s", subj, fault.Error.Description)
	case fault.Cluster != nil && fault.Cluster.Leader == "":
		return errNoLeader // a follower's word proves nothing
	}
	return json.Unmarshal(m.Data, answer)
}
