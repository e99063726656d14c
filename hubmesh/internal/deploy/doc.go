// Package deploy holds the tests of what this repository brings to run hubmesh
// with: docker-compose.yml, the Dockerfile, nats.conf and docs/config.md.
//
// It has no code of its own, and needs no container engine: it reads the files
// as one would, builds the programs that the image would hold, and starts them
// with exactly the environment that compose would give them. Read
// compose_test.go first (what the files say), then up_test.go (whether it
// works).
package deploy
