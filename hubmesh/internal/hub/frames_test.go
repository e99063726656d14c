package hub

import "testing"

func FuzzReadFrame(f *testing.F) {
	for _, seed := range []string{
		`{"event":"connected","data":{}}`,
		`{"event":"n","room":"task:1","data":1,"offset":3,"from":"ann","time":5}`,
		`{"ack":1,"data":{}}`,
		`{"ack":1,"error":{"code":"invalid","message":"m","retryAfterMs":3}}`,
		`{"ack":1,"event":"both"}`, `{}`, `[]`, `null`, ``, `{"ack":1.5}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := readFrame(text)
		if err != nil {
			return
		}
		if (frame.AckID != nil) == (frame.Event.Event != "") {
			t.Errorf("readFrame(%q) = both or neither of an ack and an event", text)
		}
	})
}
