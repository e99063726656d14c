package e2e

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// like compares two JSON texts. Objects must have the same fields. In want,
// "<text>" stands for any text that is not empty, "<number>" for any number,
// "<ms>" for unix milliseconds within two hours of now.
func like(got, want string) error {
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		return fmt.Errorf("%.300s is no JSON: %w", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return fmt.Errorf("the story wants %s, which is no JSON: %w", want, err)
	}
	if !alike(g, w) {
		return fmt.Errorf("got  %.1000s\nwant %s", got, want)
	}
	return nil
}

func alike(got, want any) bool {
	switch w := want.(type) {
	case string:
		number, isNumber := got.(float64)
		text, isText := got.(string)
		switch w {
		case "<text>":
			return isText && text != ""
		case "<number>":
			return isNumber
		case "<ms>":
			return isNumber && time.Since(time.UnixMilli(int64(number))).Abs() < 2*time.Hour
		}
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, alike)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, v := range w {
			if have, ok := g[name]; !ok || !alike(have, v) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}
