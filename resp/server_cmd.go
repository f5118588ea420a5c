package resp

import (
	"context"

	"respkv/resp/proto"
)

func init() {
	handle(map[string]Handler{"shutdown": shutdown})
}

// shutdown: SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT]. There is no reply when
// it succeeds: the client waits until the connection ends with the process.
func shutdown(c *Ctx) {
	var o ShutdownOptions
	var save, noSave, abort bool
	for _, arg := range c.Args[1:] {
		switch {
		case isWord(arg, "nosave"):
			noSave = true
		case isWord(arg, "save"):
			save = true
		case isWord(arg, "now"):
			o.Now = true
		case isWord(arg, "force"):
			o.Force = true
		case isWord(arg, "abort"):
			abort = true
		default:
			c.W.Error(errSyntax)
			return
		}
	}
	switch {
	case abort && (save || noSave || o.Now || o.Force), save && noSave:
		c.W.Error(errSyntax)
	case abort && c.d.ending.Load():
		c.W.Error(errShutdownAbort)
	case abort:
		c.W.Error(errNoShutdown)
	case c.d.shutdown == nil:
		c.W.Error(errShutdownRefused)
	case noSave:
		c.d.saver.atEnd.Store(saveAtEndNothing)
		c.endServer(o)
	case save || len(c.d.config.Config().Persistence.Save) > 0:
		c.endSaved(o)
	default:
		c.endServer(o)
	}
}

func (c *Ctx) endServer(o ShutdownOptions) {
	c.d.log.Warn("a client asked for shutdown", "addr", c.Client.Addr(), "now", o.Now, "force", o.Force)
	c.d.ending.Store(true)
	if err := c.d.shutdown(o); err != nil {
		c.d.ending.Store(false)
		c.d.log.Error("shutdown failed", "error", err)
		c.W.Error(errShutdownFailed)
		return
	}
	c.background(0, nil, func(ctx context.Context, _ *proto.Writer) { <-ctx.Done() })
}
