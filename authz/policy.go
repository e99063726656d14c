package authz

import (
	"fmt"
	"slices"

	"github.com/hubmesh/hubmesh/authz/internal/policy"
)

// CheckPolicy returns all that is wrong with the text of a policy file, a line
// each, or nil. name is what the lines call the file:
//
//	policy.yaml:3: task.publish: undeclared reference to 'claim' (did you mean 'claims'?)
func CheckPolicy(name string, text []byte) error {
	_, err := policy.ReadFile(name, text)
	return err
}

// PolicyValues is the text of a policy file as the bucket HUB_POLICY holds it:
// under each type of rooms its part of the file. Its error is CheckPolicy's.
func PolicyValues(name string, text []byte) (values map[string][]byte, err error) {
	f, err := policy.ReadFile(name, text)
	return f.Values, err
}

// seeds is what the bucket HUB_POLICY shall hold where it holds nothing: the
// configured policy, and a rule for each type that is open and not in it.
func seeds(cfg Config) (map[string][]byte, error) {
	values, err := PolicyValues("policy", cfg.Policy)
	if err != nil {
		return nil, fmt.Errorf("authz: read policy: %w", err)
	}
	for _, typ := range slices.Compact(slices.Sorted(slices.Values(cfg.Open))) {
		if values[typ] != nil {
			continue
		}
		open, err := PolicyValues("open", fmt.Appendf(nil, "%q: {join: \"true\"}", typ))
		if err != nil {
			return nil, fmt.Errorf("authz: open rooms of type %q: %w", typ, err)
		}
		values[typ] = open[typ]
	}
	return values, nil
}
