package control

// Life is a member's life cycle as the controller sees it.
//
//	          Registered          Silent             LeaseOver, Refused
//	Joining -------------> Alive ---------> Suspect --------------------> Failed
//	                        ^  ^             |  Heard                       |
//	                        |  +-------------+                              | Heard, NewProcess
//	                        |            Registered                         v
//	                        +------------------------------------------ Rejoining
//
//	any of Alive, Suspect, Rejoining --Leave--> Leaving --Forgotten--> Left
//	any --Forgotten--> Left; Alive, Suspect --NewProcess--> Rejoining
//
// Joining and Rejoining nodes are given nothing and hold no lease until their
// process is registered in the map.
type Life uint8

// Life states.
const (
	Joining Life = iota
	Alive
	Suspect
	Failed
	Rejoining
	Leaving
	Left
)

// String names the state.
func (l Life) String() string {
	return [...]string{"joining", "alive", "suspect", "failed", "rejoining", "leaving", "left"}[l]
}

// LifeEvent is what can happen to a member.
type LifeEvent uint8

// Life events.
const (
	Registered LifeEvent = iota // the map has this process, in good standing
	Heard                       // a lease request of the registered process
	Silent                      // overdue, or suspected by gossip
	LeaseOver                   // its last lease has run out
	Refused                     // its port refuses connections: the process is gone
	NewProcess                  // a lease request of another process of the node
	Leave                       // it leaves for good
	Forgotten                   // the map no longer has it
)

// String names the event.
func (e LifeEvent) String() string {
	return [...]string{"registered", "heard", "silent", "lease-over", "refused", "new-process", "leave", "forgotten"}[e]
}

// lifeTable lists every transition; events not listed leave the state alone.
var lifeTable = map[Life]map[LifeEvent]Life{
	Joining:   {Registered: Alive, Refused: Failed, Forgotten: Left},
	Alive:     {Silent: Suspect, LeaseOver: Failed, Refused: Failed, NewProcess: Rejoining, Leave: Leaving, Forgotten: Left},
	Suspect:   {Heard: Alive, LeaseOver: Failed, Refused: Failed, NewProcess: Rejoining, Leave: Leaving, Forgotten: Left},
	Failed:    {Heard: Rejoining, NewProcess: Rejoining, Forgotten: Left},
	Rejoining: {Registered: Alive, LeaseOver: Failed, Refused: Failed, Leave: Leaving, Forgotten: Left},
	Leaving:   {LeaseOver: Failed, Refused: Failed, NewProcess: Rejoining, Forgotten: Left},
}

// Next is the transition function.
func (l Life) Next(e LifeEvent) Life {
	if next, ok := lifeTable[l][e]; ok {
		return next
	}
	return l
}
