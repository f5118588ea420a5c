package main

import (
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
	var node endpoint
	var secure tlsFlags
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
			if node.addr == "" {
				return usageError{fmt.Errorf("leave needs --addr HOST:PORT")}
			}
			if !cmd.Flags().Changed("password") {
				node.password = os.Getenv("REDISCLI_AUTH")
			}
			var err error
			if node.tls, err = secure.config(); err != nil {
				return err
			}
			return leave(node, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&node.addr, "addr", "", "client `address` of the node, as 10.0.0.4:6379")
	cmd.Flags().StringVar(&node.password, "password", "", "`password` for AUTH")
	secure.add(cmd.Flags())
	return cmd
}

// leave sends CLUSTER LEAVE and follows the move of the node's slots until the
// node has answered that it left and holds none.
func leave(node endpoint, progress io.Writer) error {
	c, err := node.dial(replyTimeout)
	if err != nil {
		return err
	}
	defer c.close()
	reply, err := c.do(replyTimeout, "CLUSTER", "MYID")
	if err != nil {
		return err
	}
	id, _ := reply.(string)
	total, err := slotsHeld(node, id)
	if err != nil {
		return err
	}
	bar := newProgress(progress, total)
	defer bar.end()

	answered := make(chan error, 1)
	go func() {
		_, err := c.do(0, "CLUSTER", "LEAVE")
		answered <- err
	}()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	for accepted := false; ; {
		select {
		case err := <-answered:
			if err != nil {
				return fmt.Errorf("the node refused, or was lost while leaving: %w", err)
			}
			accepted, answered = true, nil
		case <-poll.C:
		}
		left, err := slotsHeld(node, id)
		switch {
		case accepted && (err != nil || left == 0):
			// An error: it has left, so it may be gone or know no cluster.
			bar.show(0)
			return nil
		case err == nil:
			bar.show(left)
		}
	}
}

// slotsHeld asks the node how many slots, as primary or replica, the node with
// that ID holds.
func slotsHeld(node endpoint, id string) (int, error) {
	c, err := node.dial(replyTimeout)
	if err != nil {
		return 0, err
	}
	defer c.close()
	v, err := view(c, replyTimeout)
	if err != nil {
		return 0, err
	}
	h := v.held(id)
	return h.primary + h.replica, nil
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
