package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// value is one setting inside one Config. set and text speak the form of
// config.yaml, flags and variables; setRedis and redis that of CONFIG SET and
// CONFIG GET. Errors of setRedis carry Redis's own texts, since clients see
// them; errors of set are replaced by the allowed range.
type value interface {
	set(text string) error
	text() string
	setRedis(text string) error
	redis() string
	allowed() string
	kind() string // for documentation: integer, memory size...
}

// Redis's texts for refused values.
var (
	errNotInteger = errors.New("argument couldn't be parsed into an integer")
	errNotMemory  = errors.New("argument must be a memory value")
	errNotOctal   = errors.New("argument couldn't be parsed as an octal number")
	errNotBool    = errors.New("argument must be 'yes' or 'no'")
)

func errNotBetween(low, high int64) error {
	return fmt.Errorf("argument must be between %d and %d inclusive", low, high)
}

func errNotOneOf(names []string) error {
	return fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(names, ", "))
}

// parseInteger accepts what Redis's string2ll does: no sign but '-', no
// leading zeros, no spaces.
func parseInteger(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return 0, errNotInteger
	}
	return n, nil
}

// integer is a whole number within bounds.
type integer struct {
	p         *int
	low, high int64
}

func intValue(field func(*Config) *int, low, high int64) func(*Config) value {
	return func(c *Config) value { return integer{field(c), low, high} }
}

func (v integer) setRedis(s string) error {
	n, err := parseInteger(s)
	if err != nil {
		return err
	}
	if n < v.low || n > v.high {
		return errNotBetween(v.low, v.high)
	}
	*v.p = int(n)
	return nil
}
func (v integer) set(s string) error { return v.setRedis(strings.TrimSpace(s)) }
func (v integer) text() string       { return strconv.Itoa(*v.p) }
func (v integer) redis() string      { return v.text() }
func (v integer) kind() string       { return "integer" }
func (v integer) allowed() string    { return integerRange(v.low, v.high) }

func integerRange(low, high int64) string {
	if high >= math.MaxInt32 {
		return fmt.Sprintf("an integer from %d", low)
	}
	return fmt.Sprintf("an integer from %d to %d", low, high)
}

// automatic stands for the word auto in an integerOrAuto.
const automatic = -1

// integerOrAuto is a whole number within bounds, or the word auto.
type integerOrAuto struct{ integer }

func intOrAutoValue(field func(*Config) *int, low, high int64) func(*Config) value {
	return func(c *Config) value { return integerOrAuto{integer{field(c), low, high}} }
}

func (v integerOrAuto) setRedis(s string) error {
	if strings.EqualFold(s, "auto") {
		*v.p = automatic
		return nil
	}
	return v.integer.setRedis(s)
}
func (v integerOrAuto) set(s string) error { return v.setRedis(strings.TrimSpace(s)) }
func (v integerOrAuto) text() string {
	if *v.p == automatic {
		return "auto"
	}
	return v.integer.text()
}
func (v integerOrAuto) redis() string   { return v.text() }
func (v integerOrAuto) kind() string    { return "integer or auto" }
func (v integerOrAuto) allowed() string { return "auto or " + v.integer.allowed() }

// boolean is yes or no; true and false in files.
type boolean struct{ p *bool }

func boolValue(field func(*Config) *bool) func(*Config) value {
	return func(c *Config) value { return boolean{field(c)} }
}

func (v boolean) setRedis(s string) error {
	switch strings.ToLower(s) {
	case "yes":
		*v.p = true
	case "no":
		*v.p = false
	default:
		return errNotBool
	}
	return nil
}

func (v boolean) set(s string) error {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "on":
		s = "yes"
	case "false", "off":
		s = "no"
	}
	return v.setRedis(strings.TrimSpace(s))
}
func (v boolean) text() string { return strconv.FormatBool(*v.p) }
func (v boolean) redis() string {
	if *v.p {
		return "yes"
	}
	return "no"
}
func (v boolean) kind() string    { return "boolean" }
func (v boolean) allowed() string { return "true or false" }

// text is any string up to a length.
type textValue struct {
	p   *string
	max int
	abs bool // CONFIG GET shows it as an absolute path
	any bool // any bytes, not only one line
}

func stringValue(field func(*Config) *string, max int) func(*Config) value {
	return func(c *Config) value { return textValue{p: field(c), max: max} }
}

// bytesValue is for passwords, which may be any bytes.
func bytesValue(field func(*Config) *string, max int) func(*Config) value {
	return func(c *Config) value { return textValue{p: field(c), max: max, any: true} }
}

func pathValue(field func(*Config) *string) func(*Config) value {
	return func(c *Config) value { return textValue{p: field(c), max: 4096, abs: true} }
}

func (v textValue) setRedis(s string) error {
	if len(s) > v.max {
		return fmt.Errorf("argument must be at most %d bytes long", v.max)
	}
	if !v.any && strings.ContainsAny(s, "\x00\r\n") {
		return errors.New("argument must not contain line ends or zero bytes")
	}
	*v.p = s
	return nil
}
func (v textValue) set(s string) error { return v.setRedis(s) }
func (v textValue) text() string       { return *v.p }
func (v textValue) redis() string {
	if v.abs && *v.p != "" {
		return absolute(*v.p)
	}
	return *v.p
}
func (v textValue) kind() string { return "string" }
func (v textValue) allowed() string {
	if v.any {
		return fmt.Sprintf("at most %d bytes", v.max)
	}
	return fmt.Sprintf("one line of at most %d bytes", v.max)
}

// enum is one of a few words.
type enum struct {
	p     *string
	words []string
}

func enumValue(field func(*Config) *string, words ...string) func(*Config) value {
	return func(c *Config) value { return enum{p: field(c), words: words} }
}

func (v enum) setRedis(s string) error {
	for _, w := range v.words {
		if strings.EqualFold(w, s) {
			*v.p = w
			return nil
		}
	}
	return errNotOneOf(v.words)
}
func (v enum) set(s string) error { return v.setRedis(strings.TrimSpace(s)) }
func (v enum) text() string       { return *v.p }
func (v enum) redis() string      { return *v.p }
func (v enum) kind() string       { return "word" }
func (v enum) allowed() string    { return "one of " + strings.Join(v.words, ", ") }

// refusal is the error of a value that is well-formed but means something
// that this version does not do.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// list is a list of words without spaces. In text the separators are spaces
// or commas; CONFIG GET joins with spaces.
type list struct {
	p   *[]string
	max int
}

func listValue(field func(*Config) *[]string, max int) func(*Config) value {
	return func(c *Config) value { return list{field(c), max} }
}

func (v list) setRedis(s string) error {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	if len(words) > v.max {
		return fmt.Errorf("argument must have at most %d entries", v.max)
	}
	*v.p = words
	return nil
}
func (v list) set(s string) error { return v.setRedis(s) }
func (v list) text() string       { return strings.Join(*v.p, " ") }
func (v list) redis() string      { return v.text() }
func (v list) kind() string       { return "list" }
func (v list) allowed() string    { return fmt.Sprintf("a list of at most %d entries", v.max) }

// octal is a file mode.
type octal struct{ p *os.FileMode }

func octalValue(field func(*Config) *os.FileMode) func(*Config) value {
	return func(c *Config) value { return octal{field(c)} }
}

func (v octal) setRedis(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil {
		return errNotOctal
	}
	if n > 0o777 {
		return fmt.Errorf("argument must be between %o and %o inclusive", 0, 0o777)
	}
	*v.p = os.FileMode(n)
	return nil
}
func (v octal) set(s string) error { return v.setRedis(strings.TrimSpace(s)) }
func (v octal) text() string       { return strconv.FormatUint(uint64(*v.p), 8) }
func (v octal) redis() string      { return v.text() }
func (v octal) kind() string       { return "octal number in quotes" }
func (v octal) allowed() string    { return "an octal file mode from '0' to '777', in quotes" }

// duration is a time span. Redis knows it as a whole number of unit; so does
// a bare number in a file.
type duration struct {
	p         *time.Duration
	unit      time.Duration
	low, high int64 // in units
	bare      bool  // written as a number of units, because the key's name says the unit
}

func durationValue(field func(*Config) *time.Duration, unit time.Duration, low, high int64) func(*Config) value {
	return func(c *Config) value { return duration{p: field(c), unit: unit, low: low, high: high} }
}

// millisValue is for keys whose name ends in _ms.
func millisValue(field func(*Config) *time.Duration, low, high int64) func(*Config) value {
	return func(c *Config) value {
		return duration{p: field(c), unit: time.Millisecond, low: low, high: high, bare: true}
	}
}

func (v duration) setRedis(s string) error {
	n, err := parseInteger(s)
	if err != nil {
		return err
	}
	if n < v.low || n > v.high {
		return errNotBetween(v.low, v.high)
	}
	*v.p = time.Duration(n) * v.unit
	return nil
}

func (v duration) set(s string) error {
	s = strings.TrimSpace(s)
	d, err := time.ParseDuration(s)
	if err != nil || s == "0" {
		return v.setRedis(s)
	}
	if d%v.unit != 0 {
		return fmt.Errorf("must be whole %s", v.unitName())
	}
	return v.setRedis(strconv.FormatInt(int64(d/v.unit), 10))
}

// text writes the largest unit that keeps the value whole: 10m, 1500ms.
func (v duration) text() string {
	d := *v.p
	if v.bare {
		return v.redis()
	}
	for _, u := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d != 0 && d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return "0"
}

func (v duration) unitName() string {
	if v.unit == time.Millisecond {
		return "milliseconds"
	}
	return "seconds"
}
func (v duration) redis() string { return strconv.FormatInt(int64(*v.p/v.unit), 10) }
func (v duration) kind() string {
	return "duration; a bare number is " + v.unitName()
}

func (v duration) allowed() string {
	low, high := time.Duration(v.low)*v.unit, time.Duration(0)
	if v.high < math.MaxInt64/int64(v.unit) {
		high = time.Duration(v.high) * v.unit
	}
	show := func(d time.Duration) string { return duration{p: &d, unit: v.unit}.text() }
	if high == 0 || v.high >= math.MaxInt32 {
		return fmt.Sprintf("a duration in whole %s (as 1500ms, 10s, 5m) from %s", v.unitName(), show(low))
	}
	return fmt.Sprintf("a duration in whole %s (as 1500ms, 10s, 5m) from %s to %s", v.unitName(), show(low), show(high))
}

// logLevel speaks slog's words in files and Redis's in CONFIG.
type logLevel struct{ p *slog.Level }

func levelValue(field func(*Config) *slog.Level) func(*Config) value {
	return func(c *Config) value { return logLevel{field(c)} }
}

// levels pairs the words. Redis's verbose has no counterpart of its own.
var levels = []struct {
	text, redis string
	level       slog.Level
}{
	{"debug", "debug", slog.LevelDebug},
	{"debug", "verbose", slog.LevelDebug},
	{"info", "notice", slog.LevelInfo},
	{"warn", "warning", slog.LevelWarn},
	{"error", "warning", slog.LevelError},
}

func (v logLevel) setRedis(s string) error {
	for _, l := range levels {
		if strings.EqualFold(s, l.redis) {
			*v.p = l.level
			return nil
		}
	}
	return errNotOneOf([]string{"debug", "verbose", "notice", "warning"})
}

func (v logLevel) set(s string) error {
	for _, l := range levels {
		if strings.EqualFold(strings.TrimSpace(s), l.text) {
			*v.p = l.level
			return nil
		}
	}
	return v.setRedis(strings.TrimSpace(s))
}

func (v logLevel) text() string {
	for _, l := range levels {
		if *v.p == l.level {
			return l.text
		}
	}
	return "info"
}

func (v logLevel) redis() string {
	for _, l := range levels {
		if *v.p == l.level {
			return l.redis
		}
	}
	return "notice"
}
func (v logLevel) kind() string    { return "word" }
func (v logLevel) allowed() string { return "one of debug, info, warn, error" }
