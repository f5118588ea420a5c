package lua

import (
	"strconv"
	"testing"
)

// TestBorder: # of tables with holes is what Lua 5.1 says, for each way in which
// tables come about.
func TestBorder(t *testing.T) {
	e := newTestEngine()
	spread := "local function f(...) return #{...} end return f"
	for body, want := range map[string]int64{
		"return #{1,nil,3}":                       3,
		"return #{1,1,nil,1,nil}":                 2,
		"return #{nil,nil,3}":                     3,
		"return #{1,nil}":                         1,
		"return #{1,2,1,2,1,2,nil,2}":             8,
		"return #{2,1,2,1,2,1,1,nil,nil,2,1,nil}": 7,
		spread + "(1,nil,3)":                      3,
		spread + "(nil,nil,3)":                    3,
		spread + "(1,nil)":                        1,
		spread + "()":                             0,
		"local function f() return 1,nil,3,nil end return #{0,{f()},f()}":                  3,
		"return #{unpack({1,nil,3},1,3)}":                                                  3,
		"local t={} t[1]=1 t[2]=2 t[3]=3 t[5]=5 return #t":                                 3,
		"local t={} t[1]=1 t[2]=2 t[4]=4 return #t":                                        4,
		"local t={1,2,3} t[5]=5 return #t":                                                 3,
		"local t={1,1,1,nil} t[9]=7 return #t":                                             3,
		"local t={1,2,3,4,5} t[3]=nil return #t":                                           5,
		"local t={} for i=1,10 do t[i]=i end for i=1,9 do t[i]=nil end return #t":          0,
		"local t={} for i=1,10 do t[i]=i end t[5]=nil return #t":                           10,
		"local t={} for i=1,10 do t[i]=i end t[10]=nil t[9]=nil return #t":                 8,
		"local t={1,2,3,nil,5} table.insert(t,6) return t[6]":                              6,
		"local t={} for i=1,100 do t[i]=i end while #t>7 do table.remove(t) end return #t": 7,
	} {
		if got := eval(t, e, &echoHost{}, body); got != ":"+strconv.FormatInt(want, 10)+"\r\n" {
			t.Errorf("%s: %q, want %d", body, got, want)
		}
	}
}
