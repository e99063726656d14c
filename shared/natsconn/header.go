package natsconn

import "github.com/nats-io/nats.go"

// Header is the headers of a message of JetStream, all of which were read. A
// publisher may send headers of the server's names; the server writes its own
// behind them, and only that is true.
type Header nats.Header

// Last is a header's last value: the server's, where it writes one of that
// name; "" where there is none. Names are told apart by case, as NATS does.
func (h Header) Last(name string) string {
	if values := h[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// ReadHeader returns the headers of a message that was heard, and false when
// the client has not read them to their end: what they say is then not known.
// NATS takes headers that end early, with an empty line in their middle, and
// writes its own at the true end, so the last values that the client knows are
// the publisher's. The leader of a stream tells a message's sequence, subject
// and time beside its headers.
func ReadHeader(m *nats.Msg) (h Header, whole bool) {
	bytes := m.Size() - len(m.Subject) - len(m.Reply) - len(m.Data)
	return Header(m.Header), read(m.Header, bytes)
}

// DecodeHeader is ReadHeader for headers as a stream keeps them. It reports
// false for those that cannot be read at all, too.
func DecodeHeader(stored []byte) (h Header, whole bool) {
	decoded, err := nats.DecodeHeadersMsg(stored)
	if err != nil || !read(decoded, len(stored)) {
		return nil, false
	}
	return Header(decoded), true
}

// mostUnread is more than the white space around anyone's headers, and less
// than the headers that the server adds to a copy, which take 130 bytes and
// more.
const mostUnread = 96

// read reports whether h is all that stands in so many bytes of headers.
func read(h nats.Header, bytes int) bool {
	bytes -= len("NATS/1.0\r\n\r\n")
	for name, values := range h {
		for _, v := range values {
			bytes -= len(name) + len(v) + len(":\r\n")
		}
	}
	return bytes <= mostUnread
}
