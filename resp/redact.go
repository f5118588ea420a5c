package resp

import "slices"

// redactedText stands for a secret in MONITOR and the slow log.
var redactedText = []byte("(redacted)")

// secrets tell which arguments of a command are shown to nobody, as Redis
// chooses them.
var secrets = map[string]func(args [][]byte) []int{
	"auth": func(args [][]byte) []int {
		if len(args) > 3 {
			return nil
		}
		return positions(1, len(args))
	},
	"hello":       func(args [][]byte) []int { return followers(args, 2, "auth", 2) },
	"acl|setuser": func(args [][]byte) []int { return positions(2, len(args)) },
	"migrate": func(args [][]byte) []int {
		return append(followers(args, 6, "auth", 1), followers(args, 6, "auth2", 2)...)
	},
	"config|set": func(args [][]byte) (at []int) {
		for i := 2; i+1 < len(args); i += 2 {
			if secretParameter(args[i]) {
				at = append(at, i+1)
			}
		}
		return at
	},
}

func secretParameter(name []byte) bool {
	for _, secret := range []string{"requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"} {
		if isWord(name, secret) {
			return true
		}
	}
	return false
}

func positions(first, end int) (at []int) {
	for i := first; i < end; i++ {
		at = append(at, i)
	}
	return at
}

// followers are the n arguments that follow the first option of that name.
func followers(args [][]byte, from int, option string, n int) []int {
	for i := from; i < len(args); i++ {
		if isWord(args[i], option) {
			return positions(i+1, min(i+1+n, len(args)))
		}
	}
	return nil
}

// redacted returns args as others may see them.
func (e *entry) redacted(args [][]byte) [][]byte {
	find := secrets[e.cmd.Name]
	if find == nil {
		return args
	}
	at := find(args)
	if len(at) == 0 {
		return args
	}
	shown := slices.Clone(args)
	for _, i := range at {
		shown[i] = redactedText
	}
	return shown
}
