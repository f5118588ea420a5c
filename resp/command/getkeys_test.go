package command

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// vector splits a command line at blanks; ” stands for an empty argument.
func vector(line string) [][]byte {
	var args [][]byte
	for _, w := range strings.Fields(line) {
		args = append(args, []byte(strings.Trim(w, "'")))
	}
	return args
}

func find(args [][]byte) *Command {
	if len(args) == 0 {
		return nil
	}
	c := Lookup(args[0])
	if c != nil && c.IsContainer() && len(args) > 1 {
		c = c.Subcommand(args[1])
	}
	return c
}

func TestAppendKeys(t *testing.T) {
	for line, want := range map[string]string{
		"get k":                                 "[1]",
		"mset a 1 b 2":                          "[1 3]",
		"del a b c":                             "[1 2 3]",
		"rename a b":                            "[1 2]",
		"blpop a b 0":                           "[1 2]",
		"object encoding k":                     "[2]",
		"memory usage k":                        "[2]",
		"xgroup create s g $":                   "[2]",
		"ping":                                  "[]",
		"config get x":                          "[]",
		"eval s 0 a":                            "[]",
		"eval s 2 a b c":                        "[3 4]",
		"fcall f 1 a":                           "[3]",
		"zunionstore d 2 a b weights 1 2":       "[1 3 4]",
		"sintercard 2 a b limit 3":              "[2 3]",
		"blmpop 0 2 a b left":                   "[3 4]",
		"lmpop 1 a left":                        "[2]",
		"xread count 2 streams a b 0 0":         "[4 5]",
		"xreadgroup group g c streams a >":      "[5]",
		"sort a by nosort get # store b":        "[1 7]",
		"sort a get store store b":              "[1 5]",
		"sort_ro a by w_*":                      "[1]",
		"georadius k 0 0 1 km store a":          "[1 7]",
		"georadius k 0 0 1 km storedist a":      "[1 7]",
		"migrate h 1 k 0 10":                    "[3]",
		"migrate h 1 '' 0 10 auth keys keys a":  "[9]",
		"migrate h 1 '' 0 10 copy keys a b":     "[8 9]",
		"sort a store store asc":                "[1 3]",
		"migrate h 1 '' 0 10 keys":              "[3]",
		"spublish ch m":                         "[1]",
		"bitop and d a b":                       "[2 3 4]",
		"hexpire h 10 fields 1 f":               "[1]",
		"set k v ex 10 get":                     "[1]",
		"get":                                   "error",
		"eval s 3 a b":                          "error",
		"eval s -1 a":                           "error",
		"eval s 99999999999999999999 a":         "error",
		"eval s":                                "error",
		"zunion 0 a":                            "error",
		"xread count 2":                         "[]",
		"migrate h 1 k 0 10 keys a":             "error",
		"lmove a":                               "error",
		"zinterstore d 9223372036854775807 a b": "error",
	} {
		args := vector(line)
		keys, err := find(args).AppendKeys(nil, args)
		got := fmt.Sprint(keys)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: keys at %s, want %s", line, got, want)
		}
	}
}

func TestVariableKeyFlags(t *testing.T) {
	for line, want := range map[string]KeyFlags{
		"set k v":                          OW | KeyUpdate,
		"set k get":                        OW | KeyUpdate,
		"set k v get":                      RW | KeyAccess | KeyUpdate,
		"bitfield k get u8 0":              RO | KeyAccess,
		"bitfield k get u8 0 set u8 0 1":   RW | KeyAccess | KeyUpdate,
		"bitfield k overflow sat get u8 0": RO | KeyAccess,
	} {
		args := vector(line)
		refs, err := find(args).AppendKeyRefs(nil, args)
		if err != nil || len(refs) != 1 || refs[0] != (KeyRef{1, want}) {
			t.Errorf("%s: %v %v, want flags %v", line, refs, err, want.Names())
		}
	}
}

func TestAppendKeysDoesNotAllocate(t *testing.T) {
	dst := make([]int, 0, 16)
	for _, line := range []string{"get k", "mset a 1 b 2", "eval s 2 a b", "xread streams a 0", "set k v get", "rename a b"} {
		args := vector(line)
		c := find(args)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := c.AppendKeys(dst, args); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// FuzzAppendKeys: whatever the arguments, positions lie inside them and the
// same vector gives the same keys through both calls.
func FuzzAppendKeys(f *testing.F) {
	for _, line := range []string{
		"eval s 2 a b", "xread streams a 0", "migrate h 1 '' 0 10 keys a", "sort a store b", "mset a 1",
		"zunionstore d 2 a b", "georadius k 0 0 1 km store a", "bitfield k get u8 0", "xgroup", "migrate", "sort",
	} {
		f.Add([]byte(strings.ReplaceAll(line, " ", "\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		args := bytes.Split(data, []byte("\n"))
		try := func(c *Command, args [][]byte) {
			if c.Name == "pfmerge" && len(args) == 2 {
				return // routed by its only key, of which COMMAND GETKEYS knows nothing
			}
			keys, err := c.AppendKeys([]int{-7}, args)
			refs, err2 := c.AppendKeyRefs(nil, args)
			if keys[0] != -7 || err != err2 || len(keys) != len(refs)+1 {
				t.Fatalf("%s %q: %v %v, %v %v", c.Name, args, keys, err, refs, err2)
			}
			for i, k := range keys[1:] {
				if k < 1 || k >= len(args) || refs[i].Pos != k {
					t.Fatalf("%s %q: position %d", c.Name, args, k)
				}
			}
			if err != nil && len(refs) > 0 {
				t.Fatalf("%s %q: keys with an error", c.Name, args)
			}
		}
		if c := find(args); c != nil {
			try(c, args)
			return
		}
		eachCommand(func(c *Command) {
			try(c, args)
			try(c, nil)
		})
	})
}

func TestCategories(t *testing.T) {
	for _, name := range AllCategories() {
		c, ok := ParseCategory([]byte(strings.ToUpper(name)))
		if !ok || !slices.Equal(c.Names(), []string{name}) {
			t.Errorf("ParseCategory(%q) = %v %v", name, c.Names(), ok)
		}
	}
	if _, ok := ParseCategory([]byte("@read")); ok {
		t.Error("a category name has no @")
	}
}
