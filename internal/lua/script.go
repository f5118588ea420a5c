package lua

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"

	"respkv/internal/lua/syntax"
)

// Flags are what a script or function says of itself.
type Flags uint8

// The flags, by the names that FlagNames has for them. Compat marks a script
// without a shebang line, of which nothing is known.
const (
	NoWrites Flags = 1 << iota
	AllowOOM
	AllowStale
	NoCluster
	AllowCrossSlot
	Compat
)

// FlagNames are the names of the flags in Redis's order.
var FlagNames = []struct {
	Flag Flags
	Name string
}{
	{NoWrites, "no-writes"}, {AllowOOM, "allow-oom"}, {AllowStale, "allow-stale"}, {NoCluster, "no-cluster"},
	{AllowCrossSlot, "allow-cross-slot-keys"},
}

// Script is a compiled script.
type Script struct {
	SHA   string
	Flags Flags
	// Whole says that a command that looks at all keys is among the string constants
	// of the source: so it is if the script calls one, unless it computes its name.
	Whole bool
	// Declared says that the text shows that the script touches declared keys only.
	Declared bool
	Size     int // of the source, in bytes
	// Conduct is for the Host, to note how the script has run so far.
	Conduct atomic.Int32
	proto   *lua.FunctionProto
}

const (
	scriptChunk  = "user_script"
	libraryChunk = "user_function"
)

// Digest is the name of a script: its SHA-1 in hexadecimal.
func Digest(source []byte) string {
	sha := digest(source)
	return string(sha[:])
}

func digest(source []byte) (sha [2 * sha1.Size]byte) {
	sum := sha1.Sum(source)
	hex.Encode(sha[:], sum[:])
	return sha
}

// Script finds a script by its digest in lower case; nil: there is none.
func (e *Engine) Script(sha []byte) *Script {
	e.scriptsMu.RLock()
	defer e.scriptsMu.RUnlock()
	return e.scripts[string(sha)]
}

// Load compiles a script, unless that was done.
func (e *Engine) Load(source []byte) (*Script, error) {
	sha := digest(source)
	if s := e.Script(sha[:]); s != nil {
		return s, nil
	}
	text := string(source)
	flags, body, err := scriptFlags(text)
	if err != nil {
		return nil, err
	}
	tree, proto, err := compile(body, scriptChunk)
	if err != nil {
		return nil, fmt.Errorf("Error compiling script (new function): %w", err)
	}
	s := &Script{SHA: string(sha[:]), Flags: flags, Whole: e.looksAtAll(proto), Size: len(source), proto: proto,
		Declared: e.options.Stays != nil && declared(syntax.Chunk(tree), e.options.Stays)}
	e.scriptsMu.Lock()
	defer e.scriptsMu.Unlock()
	if first := e.scripts[s.SHA]; first != nil {
		return first, nil
	}
	e.scripts[s.SHA] = s
	return s, nil
}

// looksAtAll finds the names of commands that look at all keys among the constants.
// KEYS is one only as a value: nearly all scripts have a variable of that name.
func (e *Engine) looksAtAll(proto *lua.FunctionProto) bool {
	if e.options.LooksAtAll == nil {
		return false
	}
	for i, c := range proto.Constants {
		text, ok := c.(lua.LString)
		if !ok || len(text) >= 64 || text == "KEYS" && !loads(proto, i) {
			continue
		}
		if e.options.LooksAtAll(strings.ToLower(string(text))) {
			return true
		}
	}
	return slices.ContainsFunc(proto.FunctionPrototypes, e.looksAtAll)
}

// loads says whether a function uses one of its constants as a value by itself, not as
// the name of a variable.
func loads(proto *lua.FunctionProto, constant int) bool {
	return slices.ContainsFunc(proto.Code, func(inst uint32) bool {
		return opcode(inst) == lua.OP_LOADK && argBx(inst) == constant
	})
}

// Flush forgets all scripts.
func (e *Engine) Flush() {
	e.scriptsMu.Lock()
	clear(e.scripts)
	e.scriptsMu.Unlock()
	e.generation.Add(1)
}

// Scripts returns how many scripts are cached, and the bytes of their sources.
func (e *Engine) Scripts() (count, bytes int) {
	e.scriptsMu.RLock()
	defer e.scriptsMu.RUnlock()
	for _, s := range e.scripts {
		bytes += s.Size
	}
	return len(e.scripts), bytes
}

// compile makes the prototype of a function that takes the intrinsics and gives
// the chunk, and returns it with the tree that it is made of.
func compile(source, name string) ([]ast.Stmt, *lua.FunctionProto, error) {
	tree, err := syntax.Parse(source, name)
	if err != nil {
		return nil, nil, err
	}
	scopes := numberPlaces(tree)
	proto, err := lua.Compile(tree, name)
	if err != nil {
		if e, ok := err.(*lua.CompileError); ok {
			return nil, nil, fmt.Errorf("%s:%d: %s", name, scopes.line(e.Line), e.Message)
		}
		return nil, nil, err
	}
	scopes.restore(proto)
	// The chunk has "..." but no arg, unlike functions: making it would cost more
	// than all the rest of a short script.
	proto.FunctionPrototypes[0].IsVarArg &^= lua.VarArgNeedsArg
	markSpread(proto)
	return tree, proto, nil
}

// scriptFlags reads the shebang line of a script, and returns the source without
// it. The line end stays, for the line numbers.
func scriptFlags(source string) (flags Flags, body string, err error) {
	if !strings.HasPrefix(source, "#!") {
		return Compat, source, nil
	}
	end := strings.IndexByte(trimZero(source), '\n')
	if end < 0 {
		return 0, "", fmt.Errorf("Invalid script shebang")
	}
	parts, ok := splitArgs(source[:end])
	if !ok || len(parts) == 0 {
		return 0, "", fmt.Errorf("Invalid engine in script shebang")
	}
	if parts[0] != "#!lua" {
		return 0, "", fmt.Errorf("Unexpected engine in script shebang: %s", parts[0])
	}
	for _, part := range parts[1:] {
		list, ok := strings.CutPrefix(part, "flags=")
		if !ok {
			return 0, "", fmt.Errorf("Unknown lua shebang option: %s", part)
		}
		if list == "" {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			flag, ok := flagNamed(name)
			if !ok {
				return 0, "", fmt.Errorf("Unexpected flag in script shebang: %s", name)
			}
			flags |= flag
		}
	}
	return flags, source[end:], nil
}

func flagNamed(name string) (Flags, bool) {
	for _, f := range FlagNames {
		if f.Name == name {
			return f.Flag, true
		}
	}
	return 0, false
}

// splitArgs cuts a line into words as Redis cuts command lines: words may be
// quoted. False: quotes are not balanced.
func splitArgs(line string) (words []string, ok bool) {
	for i := 0; ; {
		for i < len(line) && strings.IndexByte(" \t\n\v\f\r", line[i]) >= 0 {
			i++
		}
		if i >= len(line) {
			return words, true
		}
		var word []byte
		var quote byte
	scan:
		for ; i < len(line); i++ {
			c := line[i]
			switch {
			case quote == '"' && c == '\\' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
				b, _ := hex.DecodeString(line[i+2 : i+4])
				word = append(word, b...)
				i += 3
			case quote == '"' && c == '\\' && i+1 < len(line):
				i++
				if at := strings.IndexByte("nrtba", line[i]); at >= 0 {
					word = append(word, "\n\r\t\b\a"[at])
				} else {
					word = append(word, line[i])
				}
			case quote == '\'' && c == '\\' && i+1 < len(line) && line[i+1] == '\'':
				i++
				word = append(word, '\'')
			case quote != 0 && c == quote:
				if i+1 < len(line) && strings.IndexByte(" \t\n\v\f\r", line[i+1]) < 0 {
					return nil, false
				}
				quote = 0
				i++
				break scan
			case quote != 0:
				word = append(word, c)
			case strings.IndexByte(" \t\n\v\f\r", c) >= 0:
				break scan
			case c == '"' || c == '\'':
				quote = c
			default:
				word = append(word, c)
			}
		}
		if quote != 0 {
			return nil, false
		}
		words = append(words, string(word))
	}
}
