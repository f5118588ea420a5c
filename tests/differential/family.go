package differential

// Family is what the random sequences of one command family are made of.
type Family struct {
	Name     string
	Commands []Template
	// Probes show the state of all keys; they end each sequence. Each gets a
	// key appended to its arguments.
	Probes []Template
	// Reset are commands that undo what FLUSHALL leaves. Before each sequence they
	// are run on a connection made new by RESET; their replies are not compared.
	Reset [][]string
	// EventsAnyOrder: the elements of sets, in no particular order, decide on the
	// order in which other keys are looked up.
	EventsAnyOrder bool
	// NoEvents: its commands take from the listeners what they need to hear them.
	NoEvents bool
}

// Template generates one command.
type Template struct {
	Name   string // as sent; sub-commands "object|encoding"
	Weight int    // how often, relative to the others
	Args   Gen
	Check  Check
}

// Cmd is a template of weight 10 whose reply is compared byte for byte.
func Cmd(name string, args ...Gen) Template {
	return Template{Name: name, Weight: 10, Args: Seq(args...)}
}

// Check gives the template a looser comparison.
func (t Template) With(c Check) Template { t.Check = c; return t }

// Times multiplies the template's weight.
func (t Template) Times(n int) Template { t.Weight *= n; return t }

// Rarely makes the command a tenth as frequent as others.
func (t Template) Rarely() Template { t.Weight = 1; return t }

// Checks that several families need.
var (
	anyOrder   = Check{Kind: Unordered}
	anyPairs   = Check{Kind: UnorderedPair}
	scanPage   = Check{Kind: ScanPage}
	nearSecs   = Check{Kind: Near, Tolerance: 30}
	nearMillis = Check{Kind: Near, Tolerance: 30_000}
	sameShapes = Check{Kind: SameShape}

	// streamReply is for what tells times of consumers and pending entries.
	streamReply = Check{Kind: StreamTimes, Tolerance: 30_000}
)

// Families lists all families, by the order in which they were built.
func Families() []Family {
	return []Family{
		stringFamily(),
		genericFamily(),
		transactionFamily(),
		bitmapFamily(),
		hyperloglogFamily(),
		hashFamily(),
		setFamily(),
		zsetFamily(),
		zlexFamily(),
		geoFamily(),
		listFamily(),
		sortFamily(),
		streamFamily(),
		aclFamily(),
		serverFamily(),
		scriptFamily(),
	}
}

// keyProbes show type, deadline and content of a key that may be a string.
func keyProbes() []Template {
	return []Template{
		Cmd("type"), Cmd("object|encoding"), Cmd("pttl").With(nearMillis), Cmd("get"),
		Cmd("debug", Lit("digest-value")),
	}
}
