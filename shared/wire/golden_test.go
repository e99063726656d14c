package wire_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hubmesh/hubmesh/shared/wire"
)

// messages is every message but those about presence, which have a test of their
// own. A new one is one more line, and a file that -update writes and a reviewer
// reads.
func messages() []any {
	return []any{
		wire.ConnectAsk{}, wire.ConnectAnswer{}, wire.Event{},
		wire.JoinAsk{}, wire.JoinAnswer{}, wire.RoomRights{},
		wire.Marks{}, wire.JoinsAsk{}, wire.JoinsAnswer{},
		wire.TouchedAsk{}, wire.TouchedAnswer{}, wire.Touched{},
		wire.ExplainAsk{}, wire.ExplainAnswer{}, wire.ExplainWhy{},
		wire.TakeAsk{}, wire.TakeAnswer{},
		wire.Lease{}, wire.GatewaysAnswer{},
		wire.CtlAsk{}, wire.CtlAnswer{}, wire.CtlConnection{}, wire.CtlPart{},
	}
}

// full is a message of the type of m with something in every field, the same
// each time.
func full(m any) reflect.Value {
	v := reflect.New(reflect.TypeOf(m)).Elem()
	fill(v)
	return v
}

func fill(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // the rest panics
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"any":"json"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("no message holds a " + v.Kind().String())
	}
}

func TestEveryMessageIsAsItsGoldenFile(t *testing.T) {
	for _, m := range messages() {
		v := full(m)
		name := v.Type().Name()
		t.Run(name, func(t *testing.T) {
			made, err := json.MarshalIndent(v.Interface(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, '\n')
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, made, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if string(golden) != string(made) {
				t.Errorf("%s is not what the code makes, so services of two versions would not understand each other:\n%s", path, made)
			}
			read := reflect.New(v.Type())
			if err := json.Unmarshal(golden, read.Interface()); err != nil {
				t.Fatal(err)
			}
			if again, err := json.MarshalIndent(read.Elem().Interface(), "", "  "); err != nil || string(again)+"\n" != string(golden) {
				t.Errorf("%s is read as %s, %v", path, again, err)
			}
		})
	}
}

func TestEveryMessageHasAGoldenFile(t *testing.T) {
	listed := map[string]bool{}
	for _, m := range messages() {
		listed[reflect.TypeOf(m).Name()] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") || path == "presence.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				typ, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				if _, isStruct := typ.Type.(*ast.StructType); isStruct && typ.Name.IsExported() && !listed[typ.Name.Name] {
					t.Errorf("%s in %s is not in messages: add it, and run with -update", typ.Name.Name, path)
				}
			}
		}
	}
	golden, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range golden {
		if !listed[strings.TrimSuffix(filepath.Base(path), ".json")] {
			t.Errorf("%s is no message's", path)
		}
	}
}
