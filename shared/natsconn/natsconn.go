// Package natsconn opens connections to NATS as every hubmesh service needs
// them, and answers and asks typed requests over them.
//
// It does not know subjects or messages. Open has every option that the
// defaults of the NATS client get wrong for a gateway; Answer makes a micro
// endpoint of a function. Read open.go, then answer.go.
package natsconn
