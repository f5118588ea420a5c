package resp

// debugReload is DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]. With NOFLUSH, what is loaded
// must not be there yet; with MERGE it takes its place.
func debugReload(c *Ctx, args [][]byte) {
	save, flush, merge := true, true, false
	for _, arg := range args {
		switch {
		case isWord(arg, "merge"):
			merge = true
		case isWord(arg, "noflush"):
			flush = false
		case isWord(arg, "nosave"):
			save = false
		default:
			c.W.Error(errDebugReload)
			return
		}
	}
	if err := c.d.Reload(c.Tx.AllLocked, save, flush, merge); err != nil {
		c.d.log.Error("DEBUG RELOAD failed", "error", err)
		c.W.Error(errReloadFailed)
		return
	}
	c.W.OK()
}
