package differential

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"respkv/resp/command"
)

// wordedFields are the fields of COMMAND DOCS and COMMAND INFO that hold prose.
// The table words them itself, so that they are never the oracle's text.
var wordedFields = []string{"summary", "complexity", "history", "notes"}

// wordingDifferences compares prose by what both servers must agree on: each
// text is there on both sides, a complexity is a mere O(1) on both or on
// neither, and a history has the same versions in the same order.
func wordingDifferences(path string, want, got Reply) []string {
	differ := func(what string) []string {
		return []string{fmt.Sprintf("%s: %s: redis %s, table %s", path, what, want, got)}
	}
	if want.Kind != got.Kind || len(want.Elements) != len(got.Elements) {
		return differ("shape")
	}
	if !strings.HasSuffix(path, ".history") {
		if (want.Text == "") != (got.Text == "") {
			return differ("presence")
		}
		if strings.HasSuffix(path, ".complexity") && isConstant(want.Text) != isConstant(got.Text) {
			return differ("O(1)")
		}
		return nil
	}
	for i, w := range want.Elements {
		g := got.Elements[i]
		if len(w.Elements) != 2 || len(g.Elements) != 2 || w.Kind != g.Kind {
			return differ("shape")
		}
		if w.Elements[0].String() != g.Elements[0].String() {
			return differ("versions")
		}
		if w.Elements[1].Kind != g.Elements[1].Kind || g.Elements[1].Text == "" {
			return differ("presence")
		}
	}
	return nil
}

// isConstant says whether a complexity is O(1) and nothing else.
func isConstant(complexity string) bool { return strings.TrimRight(complexity, ".") == "O(1)" }

// eachText runs fn for every text of wordedFields in a reply of COMMAND,
// COMMAND INFO or COMMAND DOCS, at any depth.
func eachText(v Reply, fn func(field, text string)) {
	if v.Kind != '%' {
		for _, e := range v.Elements {
			eachText(e, fn)
		}
		return
	}
	for i := 0; i < len(v.Elements); i += 2 {
		field, value := v.Elements[i].Text, v.Elements[i+1]
		switch {
		case !slices.Contains(wordedFields, field):
			eachText(value, fn)
		case field == "history":
			for _, change := range value.Elements {
				fn(field, change.Elements[1].Text)
			}
		default:
			fn(field, value.Text)
		}
	}
}

// wordsOf is what is left of a text without case, punctuation and spacing.
func wordsOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// isFormula says whether a complexity is nothing but a formula: there is no
// other way to write it.
func isFormula(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return len(w) > 1 && w != "log" })
}

// TestTextsAreOwn checks that no text of the table is one of the oracle's, of
// whichever command.
func TestTextsAreOwn(t *testing.T) {
	c := oracleConn(t)
	theirs, count := map[string]bool{}, map[string]int{}
	note := func(field, text string) {
		theirs[strings.Join(wordsOf(text), " ")] = true
		count[field]++
	}
	eachText(call(t, c, "COMMAND", "DOCS"), note)
	eachText(call(t, c, "COMMAND"), note)

	table := command.Full()
	own := func(field, text string) {
		count["own "+field]++
		words := wordsOf(text)
		if field == "complexity" && isFormula(words) {
			return
		}
		if theirs[strings.Join(words, " ")] {
			t.Errorf("%s %q is redis-server's", field, text)
		}
	}
	eachText(tableReply(t, func(w command.ReplyWriter) { table.ReplyDocs(w, nil) }), own)
	eachText(tableReply(t, func(w command.ReplyWriter) { table.ReplyAll(w) }), own)
	for _, field := range wordedFields {
		if theirs, ours := count[field], count["own "+field]; theirs == 0 || ours < theirs {
			t.Errorf("found %d texts of %s in redis-server, %d in the table", theirs, field, ours)
		}
	}
}

func TestWordingDifferences(t *testing.T) {
	text := func(s string) Reply { return Reply{Kind: '$', Text: s} }
	history := func(lines ...string) Reply { // version, text, version, text
		v := Reply{Kind: '~'}
		for i := 0; i < len(lines); i += 2 {
			v.Elements = append(v.Elements, Reply{Kind: '*', Elements: []Reply{text(lines[i]), text(lines[i+1])}})
		}
		return v
	}
	for _, c := range []struct {
		field     string
		want, got Reply
		same      bool
	}{
		{"complexity", text("O(1)"), text("O(1)"), true},
		{"complexity", text("O(1)."), text("O(1)"), true},
		{"complexity", text("O(N) or so"), text("O(N), N keys"), true},
		{"complexity", text("O(1)"), text("O(N), N keys"), false},
		{"complexity", text("O(1) a key"), text("O(1)"), false},
		{"complexity", text("O(1)"), text(""), false},
		{"notes", text("why"), text("because"), true},
		{"notes", text("why"), text(""), false},
		{"notes", text("why"), Reply{Kind: '_'}, false},
		{"history", history("1.0", "a", "2.0", "b"), history("1.0", "c", "2.0", "d"), true},
		{"history", history("1.0", "a", "2.0", "b"), history("2.0", "a", "1.0", "b"), false},
		{"history", history("1.0", "a", "2.0", "b"), history("1.0", "a"), false},
		{"history", history("1.0", "a"), history("1.0", ""), false},
	} {
		diff := wordingDifferences("get docs."+c.field, c.want, c.got)
		if (len(diff) == 0) != c.same {
			t.Errorf("%s: redis %s, table %s: %q", c.field, c.want, c.got, diff)
		}
	}
}
