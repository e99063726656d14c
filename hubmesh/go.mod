module github.com/hubmesh/hubmesh/hubmesh

go 1.26.0

require (
	github.com/gobwas/ws v1.5.0
	github.com/hubmesh/hubmesh/shared v0.0.0
)

require github.com/gobwas/httphead v0.1.0 // indirect

replace github.com/hubmesh/hubmesh/authz => ../authz

replace github.com/hubmesh/hubmesh/gateway => ../gateway

replace github.com/hubmesh/hubmesh/presence => ../presence

replace github.com/hubmesh/hubmesh/ratelimit => ../ratelimit

replace github.com/hubmesh/hubmesh/shared => ../shared
