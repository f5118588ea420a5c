package replication

import "testing"

func TestLinkTransitions(t *testing.T) {
	events := map[linkEvent]map[LinkState]LinkState{
		linkDialed:  {LinkConnecting: LinkHandshake},
		linkGreeted: {LinkHandshake: LinkStreaming},
		linkFailed:  {LinkConnecting: LinkBroken, LinkHandshake: LinkBroken, LinkStreaming: LinkBroken},
		linkRetry:   {LinkBroken: LinkConnecting},
		linkClose:   {LinkConnecting: LinkClosed, LinkHandshake: LinkClosed, LinkStreaming: LinkClosed, LinkBroken: LinkClosed},
	}
	for event, moves := range events {
		for state := LinkConnecting; state <= LinkClosed; state++ {
			want, ok := moves[state]
			if !ok {
				want = state
			}
			if got, moved := state.next(event); got != want || moved != ok {
				t.Errorf("%v, event %d: %v %v, want %v %v", state, event, got, moved, want, ok)
			}
		}
	}
}

func TestSlotTransitions(t *testing.T) {
	events := map[slotEvent]map[SlotState]SlotState{
		slotAdd:            {SlotDetached: SlotWanted},
		slotRemove:         {SlotWanted: SlotDetached, SlotResuming: SlotDetached, SlotCopying: SlotDetached, SlotStreaming: SlotDetached},
		slotPartialCurrent: {SlotWanted: SlotStreaming},
		slotPartialBehind:  {SlotWanted: SlotResuming},
		slotReached:        {SlotResuming: SlotStreaming},
		slotFull:           {SlotWanted: SlotCopying},
		slotCopied:         {SlotCopying: SlotStreaming},
		slotLost:           {SlotWanted: SlotWanted, SlotResuming: SlotWanted, SlotCopying: SlotWanted, SlotStreaming: SlotWanted},
	}
	for event, moves := range events {
		for state := SlotDetached; state <= SlotStreaming; state++ {
			want, ok := moves[state]
			if !ok {
				want = state
			}
			if got, moved := state.next(event); got != want || moved != ok {
				t.Errorf("%v, event %d: %v %v, want %v %v", state, event, got, moved, want, ok)
			}
		}
	}
}

func TestHistory(t *testing.T) {
	h := history{{1, 0}, {3, 10}, {4, 10}, {7, 25}}
	for _, c := range []struct {
		pos  Position
		last uint64
		want bool
	}{
		{Position{1, 0}, 30, true}, {Position{1, 10}, 30, true}, {Position{1, 11}, 30, false},
		{Position{3, 10}, 30, true}, {Position{3, 11}, 30, false}, {Position{3, 9}, 30, false},
		{Position{4, 25}, 30, true}, {Position{4, 26}, 30, false}, {Position{7, 30}, 30, true},
		{Position{7, 31}, 30, false}, {Position{2, 5}, 30, false}, {Position{8, 5}, 30, false}, {Position{}, 30, false},
	} {
		if got := h.contains(c.pos, c.last); got != c.want {
			t.Errorf("%v contains %v: %v", h, c.pos, got)
		}
	}
	for seq, want := range map[uint64]Position{0: {1, 0}, 5: {1, 5}, 10: {1, 10}, 11: {4, 11}, 25: {4, 25}, 26: {7, 26}} {
		if got := h.upTo(seq).lastEffect(seq); got != want {
			t.Errorf("last effect at %d: %v, want %v", seq, got, want)
		}
	}
	for _, c := range []struct {
		own  history
		last uint64
		want Position
	}{
		{history{{1, 0}}, 12, Position{1, 10}},                   // was primary, went on
		{history{{1, 0}}, 7, Position{1, 7}},                     // merely behind
		{history{{1, 0}, {2, 8}}, 12, Position{1, 8}},            // led an epoch nobody saw
		{history{{1, 0}, {3, 10}, {4, 10}}, 40, Position{4, 25}}, // led 4 for longer
		{history{{9, 3}}, 12, Position{}},
	} {
		if got := c.own.fork(c.last, h, 30); got != c.want {
			t.Errorf("fork of %v at %d: %v, want %v", c.own, c.last, got, c.want)
		}
	}
	var long history
	for i := range uint64(100) {
		long = long.with(i+1, i)
	}
	if len(long) != maxHistory || long[maxHistory-1].Epoch != 100 || !long.valid() {
		t.Errorf("%d epochs, %v", len(long), long)
	}
	for _, bad := range []history{{}, {{0, 1}}, {{2, 1}, {1, 2}}, {{1, 2}, {2, 1}}, append(long, EpochStart{101, 100})} {
		if bad.valid() {
			t.Errorf("%v passes", bad)
		}
	}
}

func TestPositionOrder(t *testing.T) {
	in := []Position{{}, {1, 0}, {1, 5}, {2, 3}, {2, 4}}
	for i, p := range in {
		for j, q := range in {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := p.Compare(q); got != want {
				t.Errorf("%v to %v: %d", p, q, got)
			}
		}
	}
}

func TestConfig(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	c := DefaultConfig()
	c.TapBytes, c.CopyParallel, c.Heartbeat = 5000, 0, 0
	if err := c.Validate(); err == nil {
		t.Error("accepted")
	}
}
