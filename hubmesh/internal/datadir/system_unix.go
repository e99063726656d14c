//go:build unix

package datadir

import (
	"errors"
	"os"
	"syscall"
)

// errHeld says that another open file has the lock.
var errHeld = syscall.EWOULDBLOCK

// acquire opens and locks a file. The kernel lets go of a flock when its
// holder ends, by SIGKILL too, so no stale lock needs to be judged.
func acquire(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a file of our own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncFolder makes the system write the names of a folder.
func syncFolder(name string) error {
	f, err := os.Open(name) //nolint:gosec // a folder of our own
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
