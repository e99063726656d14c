package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Boot names the start of this machine, or is empty where the system does not
// tell.
func Boot() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // not Linux
	}
	return strings.TrimSpace(string(id))
}

// Lost reports whether the end of what was written may be lost: a process that
// had the folder did not come to End, and the machine has been started since.
// A process that was killed alone loses nothing, since the system still had
// its writes; where the start is not known, the worse counts.
func (d *Dir) Lost() (bool, error) {
	was, err := os.ReadFile(filepath.Join(d.path, markFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("datadir: read mark: %w", err)
	}
	return d.boot == "" || string(was) != d.boot, nil
}

// Begin notes that from now on the end may be lost. What follows from Lost is
// to be done before, as Begin forgets it.
func (d *Dir) Begin() error {
	if err := writeWhole(filepath.Join(d.path, markFile), d.boot); err != nil {
		return fmt.Errorf("datadir: write mark: %w", err)
	}
	d.begun = true
	return nil
}

// End notes that all is written, if Begin said that it may not be, after making the system write it: a NATS
// server that shuts down leaves that to the system, which may take half a
// minute, and a power loss then would pass for a clean stop.
func (d *Dir) End() error {
	if !d.begun {
		return nil // a mark that is there is another's
	}
	if err := syncAll(d.path); err != nil {
		return fmt.Errorf("datadir: sync: %w", err)
	}
	if err := os.Remove(filepath.Join(d.path, markFile)); err != nil {
		return fmt.Errorf("datadir: remove mark: %w", err)
	}
	return nil
}

// syncAll makes the system write every file and folder below path.
func syncAll(path string) error {
	return filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			return syncFolder(name)
		case e.Type().IsRegular() && e.Name() != lockFile:
			return syncFile(name)
		}
		return nil
	})
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0) //nolint:gosec // a file of our own folder; Windows syncs only what may be written
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeWhole writes a file that after a crash is there whole or not at all.
func writeWhole(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(name))
}
