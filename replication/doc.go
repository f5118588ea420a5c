// Package replication carries the effects of writes from the primary of a hash
// slot to its replicas: the log they are kept in, the links they travel on,
// full and partial resync, and acknowledgements.
//
//	writers                      primary node                       replica node
//	-------                      ------------                       ------------
//	Log.Append --> tap (1 of 256) --sweeper--> ring --Source--link--> Link --Applier.Apply--> keyspace
//	 shard lock     under the shard lock     one per node                     \-Log.AppendReplica-> own ring
//	                                               <------ acknowledgements ------
//
// The unit of everything is the hash slot. A slot has a [Position]; it is moved
// under the lock of the slot's shard together with the effect, so that whoever
// holds that lock sees data and position that belong together.
//
// The package knows neither the wire protocol of clients nor the cluster: it
// reads and writes the keyspace through [Applier] and [Slots], and is told who
// is primary by [Log.BeginEpoch] and [Log.EndEpoch].
package replication
