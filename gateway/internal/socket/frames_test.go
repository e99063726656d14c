package socket

import (
	"encoding/binary"
	"strconv"

	"github.com/gobwas/ws"
)

// Bits of a frame's first byte (RFC 6455, 5.2).
const (
	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10

	more  = 0x0
	text  = 0x1
	bin   = 0x2
	cls   = 0x8
	ping  = 0x9
	pong  = 0xa
	width = 125 // of the longest payload whose length needs no more bytes
)

// masked is a client's frame with any first byte.
func masked(first byte, payload string) string {
	b := head(first, uint64(len(payload)), true)
	mask := [4]byte{0xde, 0xad, 0xbe, 0xef}
	b = append(b, mask[:]...)
	at := len(b)
	b = append(b, payload...)
	ws.Cipher(b[at:], mask, 0)
	return string(b)
}

// head is a frame's first bytes, up to its mask.
func head(first byte, length uint64, mask bool) (b []byte) {
	var m byte
	if mask {
		m = 0x80
	}
	switch {
	case length <= width:
		return []byte{first, m | byte(length)}
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16([]byte{first, m | 126}, uint16(length))
	}
	return binary.BigEndian.AppendUint64([]byte{first, m | 127}, length)
}

// closing is a client's close frame.
func closing(code uint16, reason string) string {
	return masked(fin|cls, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

func closeName(c ws.StatusCode) string { return strconv.Itoa(int(c)) }
