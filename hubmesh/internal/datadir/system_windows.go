package datadir

import (
	"errors"
	"os"
	"syscall"
)

// errHeld is ERROR_SHARING_VIOLATION: another handle has the file.
var errHeld = syscall.Errno(32)

// acquire opens a file that nobody else may open for writing meanwhile, which
// is Windows's lock: it ends with its holder.
func acquire(name string) (*os.File, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE,
		syscall.FILE_SHARE_READ, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(h), name)
	if f == nil {
		return nil, errors.New("not a file")
	}
	return f, nil
}

// syncFolder does nothing: NTFS keeps names in a journal, and has no call for
// it.
func syncFolder(string) error { return nil }
