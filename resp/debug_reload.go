package resp

// debugReload is DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]. With NOFLUSH, keys that are
// loaded replace those that are there, which in Redis MERGE is needed for.
func debugReload(c *Ctx, args [][]byte) {
	save, flush := true, true
	for _, arg := range args {
		switch {
		case isWord(arg, "merge"):
		case isWord(arg, "noflush"):
			flush = false
		case isWord(arg, "nosave"):
			save = false
		default:
			c.W.Error(errDebugReload)
			return
		}
	}
	if err := c.d.Reload(c.Tx.AllLocked, save, flush); err != nil {
		c.d.log.Error("DEBUG RELOAD failed", "error", err)
		c.W.Error(errReloadFailed)
		return
	}
	c.W.OK()
}
