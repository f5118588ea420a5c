package resp

func init() {
	handle(map[string]Handler{"memory|usage": memoryUsage})
}

// memoryUsage is MEMORY USAGE. Nothing is sampled: the store knows what a value
// takes. SAMPLES is checked only.
func memoryUsage(c *Ctx) {
	for i := 3; i < len(c.Args); i += 2 {
		if !isWord(c.Args[i], "samples") || i+1 == len(c.Args) {
			c.W.Error(errSyntax)
			return
		}
		n, ok := c.intArg(i + 1)
		if !ok {
			return
		}
		if n < 0 {
			c.W.Error(errSyntax)
			return
		}
	}
	if n, ok := c.Tx.MemoryUsage(c.Key(2)); ok {
		c.W.Int(n)
	} else {
		c.W.Null()
	}
}
