// Package chromiumtest is a headless Chromium in the hand of a test, driven by
// the DevTools protocol over a pair of pipes: JSON messages, each ended by a
// zero byte. So pages are looked at with the standard library alone.
//
// It knows no page. Where no Chromium is installed the test is skipped, and
// fails in CI.
package chromiumtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Browser is one page in a browser of its own. It is used by one goroutine.
type Browser struct {
	t       testing.TB
	in      *os.File
	out     *bufio.Reader
	session string // of the page
	number  int    // of the last command
	faults  []string
}

// wait bounds a whole test with a browser.
const wait = 90 * time.Second

// find returns a browser's path, or an empty one.
func find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Start starts a browser with an empty page, which ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium is installed, so nobody has looked at the page")
		}
		t.Skip("NOT RUN: no Chromium is installed, so nobody has looked at the page")
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", //nolint:gosec // the path is one of ours
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	theirIn, in := pipe(t)
	out, theirOut := pipe(t)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	_, _ = theirIn.Close(), theirOut.Close() // they are the child's
	b := &Browser{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed: that is its end
		_, _ = in.Close(), out.Close()
		if t.Failed() {
			t.Logf("Chromium said:\n%s", said.Bytes())
		}
	})
	b.attach()
	return b
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// Open loads an address.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.do("Page.navigate", map[string]any{"url": url}, nil)
}

// Faults is what the page's console has shown as errors so far.
func (b *Browser) Faults() []string { return b.faults }

// attach opens one empty page.
func (b *Browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.do(domain+".enable", nil, nil)
	}
}

// do sends a command and waits for its answer. What the page reports meanwhile
// is kept.
func (b *Browser) do(method string, params map[string]any, answer any) {
	b.t.Helper()
	b.number++
	if params == nil {
		params = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"id": b.number, "method": method, "params": params, "sessionId": b.session})
	if err != nil {
		b.t.Fatal(err)
	}
	if b.session == "" {
		body = bytes.Replace(body, []byte(`,"sessionId":""`), nil, 1)
	}
	if _, err := b.in.Write(append(body, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		line, err := b.out.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: Chromium ended or took over %v: %v", method, wait, err)
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		switch {
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Log.entryAdded" && bytes.Contains(m.Params, []byte(`"level":"error"`)):
			b.faults = append(b.faults, string(m.Params))
		case m.ID != b.number:
		case m.Error != nil:
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		default:
			if answer != nil {
				if err := json.Unmarshal(m.Result, answer); err != nil {
					b.t.Fatalf("%s: %v", method, err)
				}
			}
			return
		}
	}
}

// Eval runs an expression in the page, waits for it where it is a promise, and
// returns its text.
func (b *Browser) Eval(expression string) string {
	b.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails *json.RawMessage
	}
	b.do("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, *got.ExceptionDetails)
	}
	return fmt.Sprint(got.Result.Value)
}

// Until waits for an expression to become true, and says after some seconds
// what is there instead.
func (b *Browser) Until(condition, instead string) {
	b.t.Helper()
	const look = `new Promise((done) => {
		const end = Date.now() + 15000;
		const look = () => (%s) ? done("") : Date.now() > end ? done(String(%s)) : setTimeout(look, 10);
		look();
	})`
	if got := b.Eval(fmt.Sprintf(look, condition, instead)); got != "" {
		b.t.Fatalf("not so: %s; there is:\n%s", condition, got)
	}
}

// Size sets the size of the page, in pixels, and whether it is dark.
func (b *Browser) Size(width, height int, scheme string) {
	b.t.Helper()
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Shot writes a picture of the whole page into a folder.
func (b *Browser) Shot(dir, name string) {
	b.t.Helper()
	var got struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &got)
	png, err := base64.StdEncoding.DecodeString(got.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
