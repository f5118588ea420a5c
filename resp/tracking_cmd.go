package resp

import (
	"slices"
)

func init() {
	handle(map[string]Handler{
		"client|tracking":     clientTracking,
		"client|caching":      clientCaching,
		"client|getredir":     clientGetRedir,
		"client|trackinginfo": clientTrackingInfo,
	})
}

// trackingOptions are the flags of a client that CLIENT TRACKING sets.
const trackingOptions = FlagTrackingBcast | FlagTrackingOptIn | FlagTrackingOptOut | FlagTrackingNoLoop

// trackingRequest is the arguments of CLIENT TRACKING after ON or OFF.
type trackingRequest struct {
	options  Flags
	redirect int64 // client ID; 0: none
	prefixes []string
}

func clientTracking(c *Ctx) {
	r, problem := c.parseTracking()
	if problem != "" {
		c.W.Error(problem)
		return
	}
	switch {
	case isWord(c.Args[2], "on"):
		if problem = c.trackingConflict(&r); problem != "" {
			c.W.Error(problem)
			return
		}
		c.beginTracking(&r)
	case isWord(c.Args[2], "off"):
		c.endTracking()
	default:
		c.W.Error(errSyntax)
		return
	}
	c.W.OK()
}

func (c *Ctx) parseTracking() (r trackingRequest, problem string) {
	for i := 3; i < len(c.Args); i++ {
		arg, more := c.Args[i], i+1 < len(c.Args)
		switch {
		case isWord(arg, "redirect") && more:
			i++
			if r.redirect != 0 {
				return r, errRedirectTwice
			}
			id, ok := parseLong(c.Args[i])
			if !ok {
				return r, errNotInteger
			}
			if c.d.server.Clients().Find(uint64(id)) == nil {
				return r, errRedirectUnknown
			}
			r.redirect = id
		case isWord(arg, "prefix") && more:
			i++
			r.prefixes = append(r.prefixes, string(c.Args[i]))
		case isWord(arg, "bcast"):
			r.options |= FlagTrackingBcast
		case isWord(arg, "optin"):
			r.options |= FlagTrackingOptIn
		case isWord(arg, "optout"):
			r.options |= FlagTrackingOptOut
		case isWord(arg, "noloop"):
			r.options |= FlagTrackingNoLoop
		default:
			return r, errSyntax
		}
	}
	return r, ""
}

// trackingConflict returns the error for options that contradict each other, or the
// mode that the client is in; "" if there is none.
func (c *Ctx) trackingConflict(r *trackingRequest) string {
	now := c.Client.Flags()
	bcast := r.options&FlagTrackingBcast != 0
	const opt = FlagTrackingOptIn | FlagTrackingOptOut
	switch {
	case !bcast && len(r.prefixes) > 0:
		return errPrefixWithoutBcast
	case now&FlagTracking != 0 && (now^r.options)&FlagTrackingBcast != 0:
		return errSwitchBcast
	case bcast && r.options&opt != 0:
		return errOptWithBcast
	case r.options&opt == opt:
		return errOptInAndOut
	case now&opt != 0 && r.options&opt != 0 && now&opt != r.options&opt:
		return errSwitchOpt
	}
	return prefixConflict(c.session().prefixes, r.prefixes)
}

// beginTracking is CLIENT TRACKING ON, in tracking mode or not.
func (c *Ctx) beginTracking(r *trackingRequest) {
	client, s := c.Client, c.session()
	if !client.Has(FlagTracking) {
		c.d.tracking.clients.Add(1)
	}
	c.turn(func() {
		client.SetRedirect(r.redirect)
		client.SetFlag((trackingOptions|FlagTrackingBroken)&^r.options, false)
		client.SetFlag(FlagTracking|r.options, true)
	})
	if r.options&FlagTrackingBcast == 0 {
		return
	}
	if len(r.prefixes) == 0 {
		r.prefixes = []string{""} // all keys
	}
	size := 0
	for _, prefix := range r.prefixes {
		if _, had := slices.BinarySearch(s.prefixes, prefix); !had {
			c.d.tracking.prefixes.add(prefix, client)
			size += len(prefix) + prefixSize
		}
	}
	s.prefixes = append(s.prefixes, r.prefixes...)
	slices.Sort(s.prefixes)
	s.prefixes = slices.Compact(s.prefixes)
	client.info.prefixMem.Add(int64(size))
	client.server.clientGrew(size)
}

// prefixSize is what a prefix takes beside its text, some 100 bytes: an entry in the
// session, and one in the table.
const prefixSize = 100

// endTracking is CLIENT TRACKING OFF. What the client was to be told before comes
// before the reply.
func (c *Ctx) endTracking() {
	if c.Client.Has(FlagTracking) {
		c.d.forgetPrefixes(c.Client, c.session())
		c.turn(func() { c.d.leaveTracking(c.Client) })
	}
}

// stopTracking ends the tracking mode of a client that is gone.
func (d *Dispatcher) stopTracking(client *Client, s *session) {
	if client.Has(FlagTracking) {
		d.forgetPrefixes(client, s)
		d.leaveTracking(client)
	}
}

func (d *Dispatcher) forgetPrefixes(client *Client, s *session) {
	for _, prefix := range s.prefixes {
		d.tracking.prefixes.remove(prefix, client)
	}
	s.prefixes = nil
	client.info.prefixMem.Store(0)
}

func (d *Dispatcher) leaveTracking(client *Client) {
	client.SetFlag(FlagTracking|trackingOptions|FlagTrackingBroken|FlagTrackingCaching, false)
	client.SetRedirect(-1)
	d.tracking.clients.Add(-1)
}

func clientCaching(c *Ctx) {
	flags := c.Client.Flags()
	switch {
	case flags&FlagTracking == 0:
		c.W.Error(errCachingOff)
		return
	case isWord(c.Args[2], "yes"):
		if flags&FlagTrackingOptIn == 0 {
			c.W.Error(errCachingYes)
			return
		}
	case isWord(c.Args[2], "no"):
		if flags&FlagTrackingOptOut == 0 {
			c.W.Error(errCachingNo)
			return
		}
	default:
		c.W.Error(errSyntax)
		return
	}
	c.Client.SetFlag(FlagTrackingCaching, true)
	c.W.OK()
}

// endCaching ends CLIENT CACHING after the command e, or the transaction, that it
// was for; e is nil for a command that there is not.
func (c *Ctx) endCaching(e *entry) {
	ofClient := e != nil && e.cmd.Parent != nil && e.cmd.Parent.Name == "client"
	if !ofClient && !c.Client.Has(FlagMulti) {
		c.Client.SetFlag(FlagTrackingCaching, false)
	}
}

func clientGetRedir(c *Ctx) { c.W.Int(c.redirection()) }

// redirection is the ID of the client that is told, 0 for none, -1 for no tracking.
func (c *Ctx) redirection() int64 {
	if !c.Client.Has(FlagTracking) {
		return -1
	}
	return c.Client.Redirect()
}

func clientTrackingInfo(c *Ctx) {
	flags := c.Client.Flags()
	words := []string{"off"}
	if flags&FlagTracking != 0 {
		words[0] = "on"
	}
	for _, w := range [...]struct {
		all  Flags
		word string
	}{
		{FlagTrackingBcast, "bcast"},
		{FlagTrackingOptIn, "optin"},
		{FlagTrackingOptIn | FlagTrackingCaching, "caching-yes"},
		{FlagTrackingOptOut, "optout"},
		{FlagTrackingOptOut | FlagTrackingCaching, "caching-no"},
		{FlagTrackingNoLoop, "noloop"},
		{FlagTrackingBroken, "broken_redirect"},
	} {
		if flags&w.all == w.all {
			words = append(words, w.word)
		}
	}
	c.W.Map(3)
	c.W.BulkString("flags")
	c.W.Set(len(words))
	for _, word := range words {
		c.W.BulkString(word)
	}
	c.W.BulkString("redirect")
	c.W.Int(c.redirection())
	c.W.BulkString("prefixes")
	prefixes := c.session().prefixes
	c.W.Array(len(prefixes))
	for _, prefix := range prefixes {
		c.W.BulkString(prefix)
	}
}
