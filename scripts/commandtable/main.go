// Command commandtable writes the command status table of
// docs/compatibility.md: what a running respkv lists in COMMAND, beside what
// redis-server lists. With -check it writes nothing and fails when the table is
// not current.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	beginMarker = "<!-- commands: begin -->"
	endMarker   = "<!-- commands: end -->"
)

func main() {
	respkv := flag.String("respkv", "bin/respkv", "respkv binary")
	file := flag.String("file", "docs/compatibility.md", "file with the table")
	check := flag.Bool("check", false, "only compare")
	flag.Parse()
	if err := run(*respkv, *file, *check); err != nil {
		fmt.Fprintln(os.Stderr, "commandtable:", err)
		os.Exit(1)
	}
}

func run(respkv, file string, check bool) error {
	dir, err := os.MkdirTemp("", "respkv-commands-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	theirs, err := commandsOf(filepath.Join(dir, "redis.sock"), func(socket string) *exec.Cmd {
		return exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	})
	if err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	ours, err := commandsOf(filepath.Join(dir, "respkv.sock"), func(socket string) *exec.Cmd {
		return exec.Command(respkv, "serve", "--server.port=0", "--server.unixsocket="+socket, "--data_dir="+filepath.Join(dir, "data"))
	})
	if err != nil {
		return fmt.Errorf("%s: %w", respkv, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok1 := strings.Cut(string(data), beginMarker)
	_, after, ok2 := strings.Cut(rest, endMarker)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: no markers %s and %s", file, beginMarker, endMarker)
	}
	next := before + beginMarker + "\n" + table(theirs, ours) + endMarker + after
	switch {
	case next == string(data):
		return nil
	case check:
		return fmt.Errorf("the command table of %s is not current: run make generate", file)
	}
	return os.WriteFile(file, []byte(next), 0o644)
}

// listing is a server's commands, sub-commands as "config|get", with the group
// of each main command.
type listing map[string]string

func commandsOf(socket string, command func(socket string) *exec.Cmd) (listing, error) {
	cmd := command(socket)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	client := redis.NewClient(&redis.Options{Dialer: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}, Protocol: 3, MaxRetries: -1})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for client.Ping(ctx).Err() != nil {
		select {
		case <-ctx.Done():
			return nil, errors.New("no answer; it printed:\n" + output.String())
		case <-poll.C:
		}
	}
	docs, err := client.Do(ctx, "COMMAND", "DOCS").Result()
	if err != nil {
		return nil, err
	}
	all, ok := docs.(map[any]any)
	if !ok {
		return nil, fmt.Errorf("COMMAND DOCS answered %T", docs)
	}
	found := make(listing)
	for name, doc := range all {
		entry, ok := doc.(map[any]any)
		if !ok {
			return nil, fmt.Errorf("COMMAND DOCS of %v is %T", name, doc)
		}
		found[fmt.Sprint(name)] = fmt.Sprint(entry["group"])
		if subs, ok := entry["subcommands"].(map[any]any); ok {
			for sub := range subs {
				found[fmt.Sprint(sub)] = fmt.Sprint(entry["group"])
			}
		}
	}
	return found, nil
}

// table has a line for each group.
func table(theirs, ours listing) string {
	groups := make(map[string]bool)
	for _, group := range theirs {
		groups[group] = true
	}
	var b strings.Builder
	total, present := 0, 0
	var rows strings.Builder
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		var have, missing []string
		for name, g := range theirs {
			if g != group {
				continue
			}
			if _, ok := ours[name]; ok {
				have = append(have, display(name))
			} else {
				missing = append(missing, display(name))
			}
		}
		slices.Sort(have)
		slices.Sort(missing)
		total += len(have) + len(missing)
		present += len(have)
		fmt.Fprintf(&rows, "| %s | %s | %s | %s |\n", group, strconv.Itoa(len(have))+" of "+strconv.Itoa(len(have)+len(missing)), strings.Join(have, ", "), strings.Join(missing, ", "))
	}
	var more []string
	for name := range ours {
		if _, ok := theirs[name]; !ok {
			more = append(more, display(name))
		}
	}
	slices.Sort(more)
	fmt.Fprintf(&b, "%d of the %d commands and sub-commands of redis-server 7.0.15 are there.\n\n", present, total)
	b.WriteString("| Group | There | Commands | Not there |\n|---|---|---|---|\n" + rows.String())
	if len(more) > 0 {
		fmt.Fprintf(&b, "\nBeyond redis-server 7.0.15: %s.\n", strings.Join(more, ", "))
	}
	return b.String()
}

func display(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "|", " ")) }
