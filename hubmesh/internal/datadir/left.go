package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Log is where a log stands: its epoch and its last sequence.
type Log struct {
	Epoch string `json:"epoch"`
	Last  uint64 `json:"last"`
}

// Leave notes where the log stands when all writing has ended.
func (d *Dir) Leave(at Log) error {
	text, err := json.Marshal(at)
	if err != nil {
		return fmt.Errorf("datadir: spell where the log stands: %w", err)
	}
	if err := writeWhole(filepath.Join(d.path, leftFile), string(text)); err != nil {
		return fmt.Errorf("datadir: note where the log stands: %w", err)
	}
	return nil
}

// Fell reports whether the log, which stands at now, has lost something since
// Leave was last called, such as when its folder is an older copy of itself:
// its end is below that, or it is of another epoch, which an older copy may be.
func (d *Dir) Fell(now Log) (bool, error) {
	text, err := os.ReadFile(filepath.Join(d.path, leftFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var left Log
	if err == nil {
		err = json.Unmarshal(text, &left)
	}
	if err != nil {
		return false, fmt.Errorf("datadir: read where the log stood: %w", err)
	}
	return now.Epoch != left.Epoch || now.Last < left.Last, nil
}
