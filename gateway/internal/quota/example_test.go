package quota_test

import (
	"fmt"
	"time"

	"github.com/hubmesh/hubmesh/gateway/internal/quota"
	"github.com/hubmesh/hubmesh/shared/limit"
)

func ExampleLease() {
	l := quota.NewLease(limit.Limit{Count: 600, Period: time.Minute, Burst: 600})
	now := time.Unix(1_700_000_000, 0)

	fmt.Println("must wait:", l.Take(now).Kind == quota.Wait)
	cost, want, _ := l.Need(now)
	fmt.Println("asked of ratelimit:", cost, want)
	l.Granted(now, cost+want, 0)
	fmt.Println("passes:", l.Take(now).Kind == quota.Pass)
	// Output:
	// must wait: true
	// asked of ratelimit: 1 4
	// passes: true
}
