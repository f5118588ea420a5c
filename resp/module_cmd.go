package resp

func init() {
	handle(map[string]Handler{
		"module|list":   func(c *Ctx) { c.W.Array(0) }, // there are none
		"module|help":   containerHelp,
		"module|load":   moduleRefused,
		"module|loadex": moduleRefused,
		"module|unload": moduleRefused,
		"bgrewriteaof":  func(c *Ctx) { c.W.Error(errNoAppendFile) },
	})
}

// moduleRefused is what Redis answers while enable-module-command is no, as it always
// is here.
func moduleRefused(c *Ctx) { c.W.Error(errModuleRefused) }

const (
	errModuleRefused = "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
	errNoAppendFile  = "ERR there is no append-only file: appendonly is always no. BGSAVE writes the keyspace to disk"
)
