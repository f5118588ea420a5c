package replication

// LinkState is the state of a link, seen from the replica.
//
//	                 +----------- retry ------------+
//	                 v                              |
//	(new) ---> connecting --dialed--> handshake --failed--> broken
//	                 |                    |                   ^
//	                 +------- failed -----|-------------------+
//	                                   greeted                |
//	                                      v                   |
//	                                  streaming ----failed----+
//
//	close leads from each state to closed, the end.
type LinkState uint8

// The states of a link.
const (
	LinkConnecting LinkState = iota // the dialer runs
	LinkHandshake                   // hello was sent
	LinkStreaming                   // hello was answered: slots are served
	LinkBroken                      // pausing before the next attempt
	LinkClosed                      // for good
)

// String returns the state's name.
func (s LinkState) String() string {
	return [...]string{"connecting", "handshake", "streaming", "broken", "closed"}[s]
}

type linkEvent uint8

const (
	linkDialed linkEvent = iota
	linkGreeted
	linkFailed
	linkRetry
	linkClose
)

// next returns the state after an event, and whether the event belongs there.
func (s LinkState) next(e linkEvent) (LinkState, bool) {
	switch {
	case s == LinkClosed:
		return s, false
	case e == linkClose:
		return LinkClosed, true
	case s == LinkConnecting && e == linkDialed:
		return LinkHandshake, true
	case s == LinkHandshake && e == linkGreeted:
		return LinkStreaming, true
	case s != LinkBroken && e == linkFailed:
		return LinkBroken, true
	case s == LinkBroken && e == linkRetry:
		return LinkConnecting, true
	}
	return s, false
}

// SlotState is the state of one slot on the replica's side of a link.
//
//	           add                 partial, behind
//	detached ------> wanted -------------------------> resuming
//	   ^               | ^ \                              |
//	   |               | |  \--- partial, current -----\  | reached
//	 remove       full | | lost                         v v
//	(from all)         | |<---------- lost -------- streaming
//	                   v |                              ^
//	                 copying ----------- copied --------+
//
// lost: the link broke, the primary refuses the slot, or is about to copy it
// anew. Only in streaming is the copy whole and about as new as the link. In
// copying it is neither, and the slot's position is zero; elsewhere it is whole
// if its position is not zero.
type SlotState uint8

// The states of a slot.
const (
	SlotDetached  SlotState = iota // not this link's
	SlotWanted                     // asked for, or to be asked for
	SlotResuming                   // the log brings it up to where the primary was
	SlotCopying                    // full copy
	SlotStreaming                  // follows the primary
)

// String returns the state's name.
func (s SlotState) String() string {
	return [...]string{"detached", "wanted", "resuming", "copying", "streaming"}[s]
}

type slotEvent uint8

const (
	slotAdd slotEvent = iota
	slotRemove
	slotPartialCurrent
	slotPartialBehind
	slotReached
	slotFull
	slotCopied
	slotLost
)

// next returns the state after an event, and whether the event belongs there.
func (s SlotState) next(e slotEvent) (SlotState, bool) {
	switch {
	case e == slotRemove && s != SlotDetached:
		return SlotDetached, true
	case e == slotAdd && s == SlotDetached:
		return SlotWanted, true
	case e == slotLost && s != SlotDetached:
		return SlotWanted, true
	case s == SlotWanted && e == slotPartialCurrent:
		return SlotStreaming, true
	case s == SlotWanted && e == slotPartialBehind:
		return SlotResuming, true
	case s == SlotWanted && e == slotFull:
		return SlotCopying, true
	case s == SlotResuming && e == slotReached:
		return SlotStreaming, true
	case s == SlotCopying && e == slotCopied:
		return SlotStreaming, true
	}
	return s, false
}
