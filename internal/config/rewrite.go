package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ErrNoFile is returned by Rewrite when the node was started without a file.
// Its text is Redis's, without the leading "ERR ".
var ErrNoFile = errors.New("The server is running without a config file")

// Rewrite makes the configuration file say what is running: values that differ
// are replaced in place, missing ones that are not at their default are added
// to their section. All other lines, comments included, stay as they are. The
// file is replaced in one step: a crash leaves the old or the new one.
func (l *Live) Rewrite() error {
	if l.file == "" {
		return ErrNoFile
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := os.ReadFile(l.file)
	if err != nil {
		return fmt.Errorf("Rewriting config file: %w", err)
	}
	next, err := rewriteYAML(data, l.Config())
	if err != nil {
		return fmt.Errorf("Rewriting config file: %w", err)
	}
	if bytes.Equal(data, next) {
		return nil
	}
	if err := replaceFile(l.file, next); err != nil {
		return fmt.Errorf("Rewriting config file: %w", err)
	}
	return nil
}

// rewriteYAML edits the text of a configuration file so that loading it gives
// want. It works on lines, at the places where the YAML parser found the
// values, because writing the parsed tree back would lose the layout. The
// result is parsed again before it is used.
func rewriteYAML(data []byte, want *Config) ([]byte, error) {
	has, err := effective(data)
	if err != nil {
		return nil, err
	}
	doc := newDocument(data)
	// Replacements first, from the end, so that positions stay true.
	var missing []*Key
	type change struct {
		k    *Key
		node *yaml.Node
	}
	var changes []change
	for _, k := range keys {
		if k.Text(has) == k.Text(want) {
			continue
		}
		if node := doc.find(k); node != nil {
			changes = append(changes, change{k, node})
		} else {
			missing = append(missing, k)
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return b.node.Line - a.node.Line })
	for _, c := range changes {
		if err := doc.replace(c.node, c.k.yamlValue(want)); err != nil {
			return nil, fmt.Errorf("%s: %w", c.k.Name, err)
		}
	}
	for _, k := range missing {
		// Positions moved: look at the edited text again.
		doc = newDocument(doc.bytes())
		doc.add(k, k.yamlValue(want))
	}
	next := doc.bytes()
	got, err := effective(next)
	if err != nil {
		return nil, fmt.Errorf("the edited file would not load: %w", err)
	}
	for _, k := range keys {
		if k.Text(got) != k.Text(want) {
			return nil, fmt.Errorf("cannot edit the file so that %s is set; change it by hand", k.Name)
		}
	}
	return next, nil
}

// effective is the configuration that a file alone gives.
func effective(data []byte) (*Config, error) {
	settings, err := parseYAML(data, "file")
	if err != nil {
		return nil, err
	}
	c := Default()
	for _, s := range settings {
		k := Lookup(s.Key)
		if k == nil {
			return nil, Unknown(s.Key, s.Text, s.Source)
		}
		if err := k.Set(c, s.Text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// document is a YAML file as lines, with the parsed tree beside it.
type document struct {
	lines []string // without line ends
	root  *yaml.Node
}

func newDocument(data []byte) *document {
	d := &document{lines: strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")}
	var tree yaml.Node
	if err := yaml.Unmarshal(data, &tree); err == nil && len(tree.Content) == 1 {
		d.root = tree.Content[0]
	}
	return d
}

func (d *document) bytes() []byte { return []byte(strings.Join(d.lines, "\n") + "\n") }

// child returns the key and the value node of a mapping's entry.
func child(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// find is the value node of k, or nil.
func (d *document) find(k *Key) *yaml.Node {
	if _, value := child(d.root, k.Name); value != nil {
		return value // a top-level key, or one written with its dot
	}
	_, section := child(d.root, k.Section())
	_, value := child(section, k.Leaf())
	return value
}

// end is the last line (from 1) that a node covers.
func end(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, end(c))
	}
	return last
}

// replace writes text in the place of a value. The value must stand on one
// line or be a block list.
func (d *document) replace(n *yaml.Node, text string) error {
	line := d.lines[n.Line-1]
	at := n.Column - 1
	switch {
	case n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle == 0:
		// The entries have lines of their own, below the line of the key.
		keyLine := n.Line - 2
		for keyLine >= 0 && !strings.Contains(strings.SplitN(d.lines[keyLine], "#", 2)[0], ":") {
			keyLine--
		}
		if keyLine < 0 {
			return errors.New("no line with the key above the list")
		}
		colon := strings.IndexByte(d.lines[keyLine], ':')
		d.lines[keyLine] = d.lines[keyLine][:colon+1] + " " + text + d.lines[keyLine][colon+1:]
		d.lines = slices.Delete(d.lines, n.Line-1, end(n))
		return nil
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || at > len(line):
		return errors.New("the value is a block of text")
	}
	length := len(n.Value) // a plain scalar is its own text
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		var err error
		if length, err = closing(line[at:]); err != nil {
			return err
		}
	} else if !strings.HasPrefix(line[at:], n.Value) {
		return errors.New("the value goes on over several lines")
	}
	d.lines[n.Line-1] = line[:at] + text + line[at+length:]
	return nil
}

// closing is how many bytes the quoted scalar or the flow list at the start of
// s takes, up to and with its closing quote or bracket.
func closing(s string) (int, error) {
	for i := 1; i < len(s); i++ {
		switch {
		case s[0] == '[' && (s[i] == '"' || s[i] == '\''):
			n, err := closing(s[i:])
			if err != nil {
				return 0, err
			}
			i += n - 1
		case s[0] == '[' && s[i] == ']':
			return i + 1, nil
		case s[0] == '"' && s[i] == '\\':
			i++
		case s[0] == '\'' && strings.HasPrefix(s[i:], "''"):
			i++
		case s[0] != '[' && s[i] == s[0]:
			return i + 1, nil
		}
	}
	return 0, errors.New("the value goes on over several lines")
}

// add puts a new line for k at the end of its section, which it adds too if
// the file has none.
func (d *document) add(k *Key, text string) {
	entry := k.Leaf() + ": " + text
	if k.Section() == "" {
		d.lines = append(d.lines, entry)
		return
	}
	key, section := child(d.root, k.Section())
	switch {
	case key == nil:
		if len(d.lines) == 1 && d.lines[0] == "" {
			d.lines = nil
		}
		d.lines = append(d.lines, k.Section()+":", "  "+entry)
	case section.Kind != yaml.MappingNode || len(section.Content) == 0:
		// A section without values, as "server:" above commented-out lines.
		d.lines = slices.Insert(d.lines, key.Line, "  "+entry)
	default:
		indent := strings.Repeat(" ", section.Content[0].Column-1)
		d.lines = slices.Insert(d.lines, end(section), indent+entry)
	}
}

// replaceFile writes data to a temporary file beside path, makes it durable
// and renames it over path. Mode and owner stay where the system allows it.
func replaceFile(path string, data []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // write through a link, do not replace it
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
