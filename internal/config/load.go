package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one value that a source gives to one key.
type Setting struct {
	Key    string // path name
	Text   string // value in the form of config.yaml
	Source string // for messages: a file name, a flag, a variable
}

// Load applies the settings in order, later ones winning, on the defaults and
// validates the result. Every bad setting is reported, joined into one error.
func Load(settings []Setting) (*Config, error) {
	c := Default()
	var errs []error
	for _, s := range settings {
		k := Lookup(s.Key)
		if k == nil {
			errs = append(errs, Unknown(s.Key, s.Text, s.Source))
			continue
		}
		if err := k.Set(c, s.Text); err != nil {
			var e *ValueError
			if errors.As(err, &e) {
				e.Source = s.Source
			}
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, joinErrors(errs)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// Unknown is the error for a setting that does not exist; it names the
// existing ones it may have meant.
func Unknown(name, text, source string) error {
	e := &ValueError{Key: name, Value: text, Source: source, Reason: "there is no such setting"}
	if near := nearest(name); near != "" {
		e.Reason += "; did you mean " + near + "?"
	} else {
		e.Reason += "; `respkv config print` lists all"
	}
	if k := Lookup(nearest(name)); k != nil && k.Secret {
		e.Value = k.mask(text) // a misspelt password is still a password
	}
	return e
}

// nearest is the key whose name is at most two edits away, or whose last part
// is the same; "" if there is none.
func nearest(name string) string {
	best, distance := "", 3
	for _, k := range keys {
		if d := editDistance(name, k.Name); d < distance {
			best, distance = k.Name, d
		}
	}
	if best != "" {
		return best
	}
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	for _, k := range keys {
		if k.Leaf() == leaf || slices.Contains(k.Redis, leaf) {
			return k.Name
		}
	}
	return ""
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// textOf turns a value as a YAML parser gives it into the text that Key.Set
// takes. name is the key's path name.
func textOf(name string, raw any) (string, error) {
	k := Lookup(name)
	refuse := func(reason string) (string, error) {
		text := fmt.Sprint(raw)
		e := &ValueError{Key: name, Value: text, Reason: reason}
		if k != nil {
			e.Value, e.Allowed = k.mask(text), k.Allowed()
		}
		return "", e
	}
	switch v := raw.(type) {
	case nil:
		return refuse("there is no value; leave the line out for the default, or write \"\" for an empty value")
	case string:
		return v, nil
	case bool, int, int64, uint64:
		if k != nil {
			if _, isOctal := k.value(new(Config)).(octal); isOctal {
				return refuse("write the file mode in quotes, as '700'")
			}
		}
		return fmt.Sprint(v), nil
	case []string:
		return strings.Join(v, " "), nil
	case []any:
		if k != nil && k.Separator() == "" {
			return refuse("")
		}
		if k != nil && k.Separator() == "\n" {
			return joinLines(v, refuse)
		}
		var words []string
		for _, element := range v {
			word := fmt.Sprint(element)
			if _, nested := element.([]any); nested || element == nil || word == "" || strings.ContainsAny(word, " \t\r\n,") {
				return refuse(fmt.Sprintf("list entry %q is not a single word", word))
			}
			words = append(words, word)
		}
		return strings.Join(words, " "), nil
	}
	return refuse("")
}

// joinLines is textOf for a list of lines.
func joinLines(entries []any, refuse func(string) (string, error)) (string, error) {
	var all []string
	for _, e := range entries {
		line, ok := e.(string)
		if !ok || strings.ContainsAny(line, "\r\n") {
			return refuse(fmt.Sprintf("list entry %q is not one line of text", fmt.Sprint(e)))
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n"), nil
}

// ReadFile reads the settings of a YAML file, without applying them.
func ReadFile(path string) ([]Setting, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseYAML(data, path)
}

func parseYAML(data []byte, source string) ([]Setting, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	var settings []Setting
	var errs []error
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for name, raw := range m {
			name = prefix + name
			if sub, ok := raw.(map[string]any); ok && Lookup(name) == nil {
				walk(name+".", sub)
				continue
			}
			if raw == nil && isSection(name) {
				continue // a section whose lines are all commented out
			}
			text, err := textOf(name, raw)
			if err != nil {
				var bad *ValueError
				if errors.As(err, &bad) {
					bad.Source = source
				}
				errs = append(errs, err)
				continue
			}
			settings = append(settings, Setting{Key: name, Text: text, Source: source})
		}
	}
	walk("", tree)
	slices.SortFunc(settings, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return settings, joinErrors(errs)
}

func isSection(name string) bool {
	return slices.ContainsFunc(keys, func(k *Key) bool { return k.Section() == name })
}
