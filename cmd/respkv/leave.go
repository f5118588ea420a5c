package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

const replyTimeout = 5 * time.Second

func newLeave() *cobra.Command {
	var addr, password string
	cmd := &cobra.Command{
		Use:   "leave --addr HOST:PORT",
		Short: "Make a node leave its cluster for good, after its data has moved",
		Long: `Make a node leave its cluster for good.

The node's slots move to the other members, nothing is lost, and the cluster
forgets the node. The command returns when that is done. Stopping a node for a
while needs no leave: end its process with SIGTERM.

The password is that of the node's default user; it is taken from
REDISCLI_AUTH when the flag is not given.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if addr == "" {
				return usageError{fmt.Errorf("leave needs --addr HOST:PORT")}
			}
			if !cmd.Flags().Changed("password") {
				password = os.Getenv("REDISCLI_AUTH")
			}
			return leave(addr, password, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "client `address` of the node, as 10.0.0.4:6379")
	cmd.Flags().StringVar(&password, "password", "", "`password` for AUTH")
	return cmd
}

// leave sends CLUSTER LEAVE and follows the move of the node's slots on a
// second connection, until the node has answered that it left.
func leave(addr, password string, progress io.Writer) error {
	c, err := dial(addr, password, replyTimeout)
	if err != nil {
		return err
	}
	defer c.close()
	watch, err := dial(addr, password, replyTimeout)
	if err != nil {
		return err
	}
	defer func() {
		if watch != nil {
			watch.close()
		}
	}()
	reply, err := watch.do(replyTimeout, "CLUSTER", "MYID")
	if err != nil {
		return err
	}
	id, _ := reply.(string)
	before, err := view(watch, replyTimeout)
	if err != nil {
		return err
	}
	held := before.held(id)
	bar := newProgress(progress, held.primary+held.replica)
	defer bar.end()

	answered := make(chan error, 1)
	go func() {
		_, err := c.do(0, "CLUSTER", "LEAVE")
		answered <- err
	}()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	left := held.primary + held.replica
	accepted := false
	for {
		select {
		case err := <-answered:
			if err != nil {
				return fmt.Errorf("the node refused, or was lost while leaving: %w", err)
			}
			accepted, answered = true, nil
		case <-poll.C:
		}
		if watch != nil {
			v, err := view(watch, replyTimeout)
			var refused replyError
			switch now := v.held(id); {
			case err == nil:
				left = now.primary + now.replica
				bar.show(left)
			case accepted:
				left = 0 // it has left: it may be gone, or know no cluster any more
			case !errors.As(err, &refused):
				watch.close()
				watch = nil // the answer to LEAVE says how it ends
			}
		}
		if accepted && left == 0 {
			bar.show(0)
			return nil
		}
		if accepted && watch == nil {
			return fmt.Errorf("the node answered that it left, but the connection was lost with %d slots to go", left)
		}
	}
}

// progressBar draws a bar on a terminal, and nothing elsewhere.
type progressBar struct {
	w     io.Writer
	total int
}

func newProgress(w io.Writer, total int) *progressBar {
	if f, ok := w.(*os.File); !ok || !isTerminal(f) {
		w = nil
	}
	return &progressBar{w, total}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

const barWidth = 40

func (p *progressBar) show(left int) {
	if p.w == nil || p.total == 0 {
		return
	}
	done := min(max(p.total-left, 0), p.total)
	full := barWidth * done / p.total
	fmt.Fprintf(p.w, "\r[%s%s] %3d%%  %d slots to go ", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*done/p.total, left)
}

func (p *progressBar) end() {
	if p.w != nil && p.total > 0 {
		fmt.Fprintln(p.w)
	}
}
