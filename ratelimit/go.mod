module github.com/hubmesh/hubmesh/ratelimit

go 1.26.0

require (
	github.com/hubmesh/hubmesh/shared v0.0.0
)

replace github.com/hubmesh/hubmesh/shared => ../shared
