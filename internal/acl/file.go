package acl

import (
	"fmt"
	"strings"
)

// Definition is one line of a file: a user's name and rules.
type Definition struct {
	Name string
	User *User
}

// FileError lists what is wrong with a file, in Redis's words.
type FileError struct{ Problems []string }

// Error implements error.
func (e *FileError) Error() string { return strings.Join(e.Problems, " ") }

// ParseFile reads the text of an ACL file: a user each line, "user alice on
// >secret ~*". source names the file in the error, a *FileError.
func (c *Commands) ParseFile(source, text string, o Options) ([]Definition, error) {
	var list []Definition
	var problems []string
	seen := make(map[string]bool)
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at := fmt.Sprintf("%s:%d", source, i+1)
		if words[0] != "user" || len(words) < 2 {
			problems = append(problems, at+" should start with user keyword followed by the username.")
			continue
		}
		if seen[words[1]] {
			problems = append(problems, fmt.Sprintf("WARNING: Duplicate user '%s' found on line %d.", words[1], i+1))
			continue
		}
		seen[words[1]] = true
		user, problem := c.parseUser(words[2:], o)
		if problem != "" {
			problems = append(problems, at+": "+problem)
			continue
		}
		list = append(list, Definition{words[1], user})
	}
	if problems != nil {
		return nil, &FileError{problems}
	}
	return list, nil
}

// ParseDefinition reads "alice on >secret ~*", as in the configuration.
func (c *Commands) ParseDefinition(line string, o Options) (Definition, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return Definition{}, fmt.Errorf("no user name")
	}
	user, problem := c.parseUser(words[1:], o)
	if problem != "" {
		return Definition{}, fmt.Errorf("user '%s': %s", words[0], problem)
	}
	return Definition{words[0], user}, nil
}

func (c *Commands) parseUser(words []string, o Options) (_ *User, problem string) {
	rules, err := MergeSelectors(words)
	if err != nil {
		return nil, err.Error()
	}
	user := NewUser(o.AllChannels)
	for _, rule := range rules {
		next, err := c.Apply(user, []string{rule}, o)
		if err != nil {
			why := err.(*RuleError).Err
			if why == errUnknownName {
				return nil, fmt.Sprintf("Error in applying operation '%s': %v.", rule, why)
			}
			return nil, why.Error() + "."
		}
		user = next
	}
	return user.finish(), ""
}

// FormatFile is the text that ParseFile reads.
func (u *Users) FormatFile() string {
	var b strings.Builder
	for _, line := range u.Lines() {
		b.WriteString("user " + line + "\n")
	}
	return b.String()
}

// Lines lists the users, ordered by name, each as its name and rules.
func (u *Users) Lines() []string {
	all := u.All()
	lines := make([]string, len(all))
	for i, a := range all {
		lines[i] = a.name + " " + u.commands.Describe(a.User())
	}
	return lines
}

// ValidName says whether a user may have that name.
func ValidName(name string) bool { return !hasSpaces(name) }
