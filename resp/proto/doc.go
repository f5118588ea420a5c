// Package proto is the RESP wire format: an incremental request parser and a
// reply writer for RESP2 and RESP3.
//
// Both work on byte slices and know nothing of sockets, so that the network
// drivers, scripts, transactions and tests share them. Sources: the Redis
// protocol specification (RESP2, RESP3) and, where that is silent, the
// behaviour of redis-server 7.0.15.
package proto
