package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// LoadAuto is the value of persistence.load for the file that was saved last.
const LoadAuto = "auto"

var persistenceKeys = []*Key{
	{
		Name: "persistence.load", Default: LoadAuto,
		value: stringValue(func(c *Config) *string { return &c.Persistence.Load }, 4096),
		What:  "RDB file, of this server or of Redis, that a standalone node loads before it serves; also the flag `--rdb`. A file that is damaged, or that is not there, ends the start. Relative to the working directory. `auto`: the file that was saved to data_dir (persistence.dbfilename), if there is one, as redis-server does; nothing in a cluster, whose nodes get their data from each other. Empty: none.",
	},
	{
		Name: "persistence.save", Redis: []string{"save"}, Default: "", Mutable: true,
		value: savePointsValue(func(c *Config) *[]SavePoint { return &c.Persistence.Save }),
		What:  "When to save by itself: pairs of seconds and changes, as `3600 1 60 10000`: after that many seconds, if there were at least that many changes. It also makes SIGTERM and SHUTDOWN save. Empty: never, which is the default, since this is a cache: nothing is written unless it is asked for.",
	},
	{
		Name: "persistence.dbfilename", Redis: []string{"dbfilename"}, Default: "dump.rdb",
		value: stringValue(func(c *Config) *string { return &c.Persistence.DBFilename }, 255),
		What:  "Name, in data_dir, of the file that SAVE and BGSAVE write.",
	},
	{
		Name: "persistence.rdb_compression", Redis: []string{"rdbcompression"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Persistence.RDBCompression }),
		What:  "Whether strings of more than 20 bytes are compressed (LZF) in files and payloads of DUMP. Smaller files, more CPU.",
	},
	{
		Name: "persistence.rdb_checksum", Redis: []string{"rdbchecksum"}, Default: "true",
		value: boolValue(func(c *Config) *bool { return &c.Persistence.RDBChecksum }),
		What:  "Whether files end with a checksum, and whether that of a file that is loaded is compared.",
	},
	{
		Name: "persistence.stop_writes_on_save_errors", Redis: []string{"stop-writes-on-bgsave-error"}, Default: "true", Mutable: true,
		value: boolValue(func(c *Config) *bool { return &c.Persistence.StopWritesOnSaveErrors }),
		What:  "Whether writes are refused (MISCONF) after a save in the background has failed, until one succeeds. Only with persistence.save.",
	},
}

// savePoints is save: pairs of seconds and changes.
type savePoints struct{ p *[]SavePoint }

func savePointsValue(field func(*Config) *[]SavePoint) func(*Config) value {
	return func(c *Config) value { return savePoints{field(c)} }
}

var errSavePoints = errors.New("Invalid save parameters")

// setRedis splits at each space, as Redis does: two of them have an empty word between
// them, which is 0.
func (v savePoints) setRedis(s string) error {
	if s == "" {
		*v.p = nil
		return nil
	}
	return v.parse(strings.Split(s, " "))
}

func (v savePoints) parse(words []string) error {
	if len(words)%2 != 0 {
		return errSavePoints
	}
	var points []SavePoint
	for ; len(words) > 0; words = words[2:] {
		seconds, err1 := strconv.ParseInt(words[0], 10, 64)
		changes, err2 := int64(0), error(nil)
		if words[1] != "" {
			changes, err2 = strconv.ParseInt(words[1], 10, 32)
		}
		if err1 != nil || err2 != nil || seconds < 1 || changes < 0 {
			return errSavePoints
		}
		points = append(points, SavePoint{seconds, changes})
	}
	*v.p = points
	return nil
}
func (v savePoints) set(s string) error { return v.parse(strings.Fields(s)) }
func (v savePoints) text() string {
	words := make([]string, len(*v.p))
	for i, p := range *v.p {
		words[i] = fmt.Sprintf("%d %d", p.Seconds, p.Changes)
	}
	return strings.Join(words, " ")
}
func (v savePoints) redis() string   { return v.text() }
func (v savePoints) kind() string    { return "pairs of seconds and changes" }
func (v savePoints) allowed() string { return "pairs of seconds and changes; empty: never" }
