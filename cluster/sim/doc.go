// Package sim holds the simulation of the cluster's control plane: many nodes
// in one process with a virtual clock and network around the real agents,
// controllers, placement and slot map; raft and the data plane are models. Its
// tests run many seeds and check what must always hold at every write.
package sim
