package resp

import (
	"errors"

	"respkv/internal/persistence"
	"respkv/store"
)

func init() {
	handle(map[string]Handler{
		"dump":           dump,
		"restore":        restore,
		"restore-asking": restore,
	})
}

var (
	wordAbsTTL   = []byte("ABSTTL")
	wordFreq     = []byte("FREQ")
	wordIdleTime = []byte("IDLETIME")
	wordReplace  = []byte("REPLACE")
	wordRestore  = []byte("RESTORE")
)

func dump(c *Ctx) {
	v, ok := c.Tx.Value(c.Key(1))
	if ok && c.postpone(max(v.Len(), int(v.Memory()/payloadElement))) {
		return
	}
	c.Looked(c.Key(1), ok)
	if !ok {
		c.W.Null()
		return
	}
	payload, err := persistence.Dump(&c.Tx, &v, c.d.config.Config().Persistence.RDBCompression)
	if err != nil {
		c.StoreError(err)
		return
	}
	if c.Tx.Pause == nil {
		c.W.Bulk(payload)
		return
	}
	c.replyLarge(payload)
}

// payloadElement is how many bytes of a payload, or of what it is made of, count as an
// element.
const payloadElement = 16

// restoreOptions are those of RESTORE.
type restoreOptions struct {
	replace, absolute bool
	access            store.Access
}

// restoreOptions parses them. Not ok: it replied.
func (c *Ctx) restoreOptions() (o restoreOptions, ok bool) {
	o.access = store.NoAccess
	for i := 4; i < len(c.Args); i++ {
		arg, more := c.Args[i], i+1 < len(c.Args)
		switch {
		case isWord(arg, "replace"):
			o.replace = true
		case isWord(arg, "absttl"):
			o.absolute = true
		case isWord(arg, "idletime") && more && o.access.Freq == -1:
			i++
			if o.access.Idle, ok = c.intArg(i); !ok {
				return o, false
			}
			if o.access.Idle < 0 {
				c.W.Error(errIdleTime)
				return o, false
			}
		case isWord(arg, "freq") && more && o.access.Idle == -1:
			i++
			n, ok := c.intArg(i)
			if !ok {
				return o, false
			}
			if n < 0 || n > 255 {
				c.W.Error(errFreq)
				return o, false
			}
			o.access.Freq = int(n)
		default:
			c.W.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// restore is RESTORE. Its effect has the deadline as a time. A large payload is read in steps, and then its key looked at again. A deadline
// that has passed leaves no key, but not when it comes as an effect.
func restore(c *Ctx) {
	o, ok := c.restoreOptions()
	if !ok {
		return
	}
	k, payload := c.Key(1), c.Args[3]
	if !o.replace && c.Tx.Exists(k) {
		c.W.Error(errBusyKey)
		return
	}
	deadline, ok := c.intArg(2)
	switch {
	case !ok:
		return
	case deadline < 0:
		c.W.Error(errRestoreTTL)
		return
	case c.postpone(len(payload) / payloadElement):
		return
	}
	switch err := persistence.CheckPayload(&c.Tx, payload); {
	case errors.Is(err, store.ErrChanged):
		c.StoreError(err)
		return
	case err != nil:
		c.W.Error(errDumpFooter)
		return
	}
	c.d.stats.sanitized.Add(1)
	value, err := persistence.Restore(&c.Tx, k, payload, c.d.config.Config().Server.ProtoMaxBulkLen)
	switch {
	case errors.Is(err, persistence.ErrBadData):
		c.W.Error(errBadDump)
		return
	case err != nil:
		c.StoreError(err)
		return
	}
	defer value.Close()
	existed := c.Tx.Exists(k)
	if existed && !o.replace { // it has come in a pause
		c.W.Error(errBusyKey)
		return
	}
	if deadline != 0 && !o.absolute {
		deadline += c.Now()
	}
	if deadline != 0 && deadline <= c.Now() && !c.Replaying() {
		if existed {
			c.remove(k)
		}
		c.W.OK()
		return
	}
	if err := value.Store(&c.Tx, k, deadline, o.access); err != nil {
		c.StoreError(err)
		return
	}
	c.Dirty(1)
	c.NotifyNew(c.d.notify.has(NotifyNew), k)
	c.Notify(NotifyGeneric, "restore", k.Name)
	if c.logged() {
		c.restored(k, deadline, payload, o.replace, o.access)
	}
	c.W.OK()
}

// restored is the effect of RESTORE.
func (c *Ctx) restored(k store.Key, deadline int64, payload []byte, replace bool, access store.Access) {
	effect := [][]byte{wordRestore, k.Name, decimal(deadline), payload}
	if replace {
		effect = append(effect, wordReplace)
	}
	effect = append(effect, wordAbsTTL)
	switch {
	case access.Idle >= 0:
		effect = append(effect, wordIdleTime, decimal(access.Idle))
	case access.Freq >= 0:
		effect = append(effect, wordFreq, decimal(int64(access.Freq)))
	}
	c.Effect(effect...)
}
