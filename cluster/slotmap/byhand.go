package slotmap

// Clusters made by hand, and replicas by name: what Redis Cluster's operators
// decide and placement otherwise does.

// Follow makes Node a replica of Primary, of all its slots and of nothing else;
// empty: an ordinary node again. Whoever takes over all that Primary has changes
// places with it.
type Follow struct {
	Node    NodeID `json:"node"`
	Primary NodeID `json:"primary,omitempty"`
}

// Type identifies the entry in the log.
func (*Follow) Type() EntryType { return TypeFollow }

func (f *Follow) validate() error {
	if f.Primary != "" {
		if err := f.Primary.Validate(); err != nil {
			return bad(err)
		}
	}
	return bad(f.Node.Validate())
}

func (f *Follow) apply(e *edit) string {
	n, primary := e.Node(f.Node), e.Node(f.Primary)
	switch {
	case n == nil || f.Primary != "" && primary == nil:
		return "the node is not a member"
	case f.Node == f.Primary:
		return "a node cannot follow itself"
	case primary != nil && primary.Follows != "":
		return "the primary is a replica itself"
	case n.Follows == f.Primary:
		return "nothing changed"
	}
	e.follow(f.Node, f.Primary)
	for _, other := range e.nodes { // its own replicas go with it
		if f.Primary != "" && other.Follows == f.Node {
			e.follow(other.ID, f.Primary)
		}
	}
	return ""
}

func (e *edit) follow(id, primary NodeID) {
	n := *e.Node(id)
	n.Follows = primary
	e.setNode(n)
}

// changePlaces has from follow the replica of its own that took its last slots;
// of several, the one that got most.
func (e *edit) changePlaces(from NodeID) {
	if n := e.Node(from); n == nil || n.Follows != "" || len(e.PrimaryOf(from)) > 0 {
		return
	}
	var to NodeID
	most := 0
	for _, n := range e.nodes {
		if n.Follows == from {
			if own := e.PrimaryOf(n.ID).Len(); own > most {
				to, most = n.ID, own
			}
		}
	}
	if to == "" {
		return
	}
	e.follow(to, "")
	e.follow(from, to)
	for _, n := range e.nodes {
		if n.Follows == from {
			e.follow(n.ID, to)
		}
	}
}

// unfollow makes those that followed a node ordinary ones.
func (e *edit) unfollow(id NodeID) {
	for _, n := range e.nodes {
		if n.Follows == id {
			e.follow(n.ID, "")
		}
	}
}

// Free takes slots from their primary: nobody serves them until an operator gives them
// to a node.
type Free struct {
	Node  NodeID `json:"node"`
	Boot  uint64 `json:"boot"`
	Slots Ranges `json:"slots"`
}

// Type identifies the entry in the log.
func (*Free) Type() EntryType { return TypeFree }

func (f *Free) validate() error { return firstError(bad(f.Node.Validate()), bad(f.Slots.Validate())) }

func (f *Free) apply(e *edit) string {
	n := e.Node(f.Node)
	switch {
	case n == nil || n.Boot != f.Boot:
		return "the node has another process or is gone"
	case !e.byHand:
		return "the cluster shares out the slots by itself"
	}
	e.each(f.Slots, func(r Range, a *Assignment) *Assignment {
		if a.Primary != f.Node {
			return a
		}
		e.slots = append(e.slots, r)
		return &Assignment{Epoch: a.Epoch}
	})
	if len(e.slots) == 0 {
		return "the node is primary of none of the slots"
	}
	e.fence(f.Node)
	return ""
}

// ByHand reports whether the cluster was made of slots that operators gave to
// nodes: primaries are then placed by nobody else.
func (m *Map) ByHand() bool { return m.byHand }
