package control

import "testing"

// TestLifeTable walks every state and event: what is not in the drawing above
// Life leaves the state alone.
func TestLifeTable(t *testing.T) {
	want := map[Life]string{ // by event, in the order of the constants; . stays
		//          registered heard silent lease-over refused new-process leave forgotten
		Joining:   "A...F..X",
		Alive:     "..SFFRLX",
		Suspect:   ".A.FFRLX",
		Failed:    ".R...R.X",
		Rejoining: "A..FF.LX",
		Leaving:   "...FFR.X",
		Left:      "........",
	}
	letter := map[byte]Life{'A': Alive, 'S': Suspect, 'F': Failed, 'R': Rejoining, 'L': Leaving, 'X': Left}
	for state, row := range want {
		for e := Registered; e <= Forgotten; e++ {
			expected := state
			if row[e] != '.' {
				expected = letter[row[e]]
			}
			if got := state.Next(e); got != expected {
				t.Errorf("%v on %v: %v, want %v", state, e, got, expected)
			}
		}
	}
}

func TestMoveTable(t *testing.T) {
	want := map[MoveState]string{
		//              begun paused confirmed failed decided
		MoveBeginning:  "P..D.",
		MovePausing:    ".C.AD",
		MoveConfirming: "..MAD",
		MoveCommitting: "....D",
		MoveAborting:   "....D",
		MoveDone:       ".....",
	}
	letter := map[byte]MoveState{'P': MovePausing, 'C': MoveConfirming, 'M': MoveCommitting, 'A': MoveAborting, 'D': MoveDone}
	for state, row := range want {
		for e := MoveBegun; e <= MoveDecided; e++ {
			expected := state
			if row[e] != '.' {
				expected = letter[row[e]]
			}
			if got := state.Next(e); got != expected {
				t.Errorf("%v on %v: %v, want %v", state, e, got, expected)
			}
		}
	}
}

func TestFailoverTable(t *testing.T) {
	want := map[FailoverState]string{
		//            answered late failed promoted back
		Collecting:   "PP..O",
		Promoting:    "..CO.",
		FailoverOver: ".....",
	}
	letter := map[byte]FailoverState{'P': Promoting, 'C': Collecting, 'O': FailoverOver}
	for state, row := range want {
		for e := FailoverAnswered; e <= FailoverBack; e++ {
			expected := state
			if row[e] != '.' {
				expected = letter[row[e]]
			}
			if got := state.Next(e); got != expected {
				t.Errorf("%v on %v: %v, want %v", state, e, got, expected)
			}
		}
	}
}
