package resp

import (
	"fmt"

	"respkv/cluster"
	"respkv/internal/lua"
	"respkv/internal/persistence"
	"respkv/resp/command"
	"respkv/resp/proto"
	"respkv/store"
)

// scriptFork is a keyspace for one script that is debugged: what it sees are copies, and
// what it changes is nobody else's. Redis forks its process for that. Here each key is copied
// when the script first names it, those that it declares before it begins, and all of them
// when it calls a command that looks at all keys; so a key that others change between
// is seen as it is then.
type scriptFork struct {
	real, d *Dispatcher
	hooks   forkHooks
	copied  map[forkKey]struct{}
	whole   bool // all keys are copied
	bytes   int  // of payloads
	pos     []int
}

type forkKey struct {
	db   int
	name string
}

// forkHooks hands on what the store of a fork tells its dispatcher.
type forkHooks struct{ d *Dispatcher }

func (h *forkHooks) Expired(db int, k store.Key) { h.d.Expired(db, k) }

func (h *forkHooks) FieldsExpired(db int, k store.Key, fields [][]byte, all bool) {
	h.d.FieldsExpired(db, k, fields, all)
}

// forkRouting is the routing of this node, without a way to the other ones.
type forkRouting struct{ Routing }

func (forkRouting) Publish(channel, text []byte)                  {}
func (forkRouting) PublishSlot(slot uint16, channel, text []byte) {}

const (
	errForkAdmin = "-ERR This command changes more than keys: a script on a copy can't call it, use SCRIPT DEBUG SYNC"
	errForkSize  = "-ERR The copy of the keys would take more than lua-memory-limit, use SCRIPT DEBUG SYNC"
)

// newFork makes an empty keyspace, with commands that run on it.
func (d *Dispatcher) newFork() (*scriptFork, error) {
	f := &scriptFork{real: d, copied: make(map[forkKey]struct{})}
	st, err := store.Open(store.Options{
		Databases: d.store.Databases(), Hooks: &f.hooks, MaxStringLength: d.config.Config().Server.ProtoMaxBulkLen,
	})
	if err != nil {
		return nil, err
	}
	o := DispatcherOptions{Store: st, Config: d.config, Version: d.version, Logger: d.log}
	if d.routing != nil {
		o.Routing = forkRouting{d.routing}
	}
	if f.d, err = NewDispatcher(o); err != nil {
		st.Close()
		return nil, fmt.Errorf("a keyspace for a script that is debugged: %w", err)
	}
	f.hooks.d = f.d
	f.d.server = d.server
	f.d.configureStore(d.config.Config())
	f.d.scripts.debug.Store(d.scripts.debug.Load())
	return f, nil
}

func (f *scriptFork) close() {
	f.d.Close()
	f.d.store.Close()
}

// eval runs EVAL, which the client of c has sent, and writes its reply to out.
func (f *scriptFork) eval(c *Ctx, s *debugSession, out *proto.Writer) {
	client := &Client{ID: c.Client.ID, Created: c.Client.Created, server: c.Client.server, addr: c.Client.addr, laddr: c.Client.laddr}
	f.d.Connected(client)
	client.SetUser(c.Client.user.Load(), true)
	client.SetProto(c.Client.Proto())
	client.SetDB(c.Client.DB())
	client.SetFlag(FlagReadOnly, c.Client.Has(FlagReadOnly))
	client.Session.(*session).debugging = s
	defer f.d.Disconnected(client)
	if refused := f.copyKeys(c.Cmd, c.Args, c.Client.DB(), nil); refused != "" {
		out.Error(refused[1:])
		return
	}
	args := make([][]byte, len(c.Args))
	for i, arg := range c.Args {
		args[i] = append([]byte(nil), arg...)
	}
	f.d.Batch(client, [][][]byte{args})
	out.Raw(client.W.Take())
}

// forkedRun is the lua.Host of a script on a copy.
type forkedRun struct {
	*scriptRun
	fork *scriptFork
}

var _ lua.Host = (*forkedRun)(nil)

// Call implements lua.Host.
func (r *forkedRun) Call(args [][]byte, version int) (reply []byte, refused string) {
	if e := r.d.find(args); e != nil && e.cmd.ArityOK(len(args)) {
		look := Ctx{d: r.d, Cmd: e.cmd, Args: args}
		if e.cmd.Has(command.Admin) {
			return nil, errForkAdmin
		}
		if e.in.allLocks || e.keyed && look.readsOtherKeys() {
			refused = r.fork.copyAll(r.locks)
		} else if e.keyed {
			refused = r.fork.copyKeys(e.cmd, args, r.in.Client.DB(), r.locks)
		}
		if refused != "" {
			return nil, refused
		}
	}
	return r.scriptRun.Call(args, version)
}

// copyKeys copies the keys of a command that were not copied before. The caller holds
// locks of the fork's store; nil: none.
func (f *scriptFork) copyKeys(cmd *command.Command, args [][]byte, db int, held *scriptLocks) (refused string) {
	pos, err := cmd.AppendKeys(f.pos[:0], args)
	f.pos = pos
	if err != nil {
		return "" // the command will say so
	}
	first, end := db, db+1
	if cmd.Name == "copy" || cmd.Name == "move" {
		first, end = 0, f.real.store.Databases()
	}
	for _, p := range pos {
		for db := first; db < end; db++ {
			if refused = f.copy(db, args[p], held); refused != "" {
				return refused
			}
		}
	}
	return ""
}

// copyAll copies all keys that were not copied before.
func (f *scriptFork) copyAll(held *scriptLocks) (refused string) {
	if f.whole {
		return ""
	}
	now, _ := clock()
	for db := range f.real.store.Databases() {
		for cursor, done := uint64(0), false; !done; done = cursor == 0 {
			var names [][]byte
			tx := store.Tx{Store: f.real.store, DB: db, Now: now, KeepExpired: true, NoTouch: true}
			cursor = tx.Scan(cursor, scanStep, func(k store.Key, _ store.Type) {
				names = append(names, append([]byte(nil), k.Name...))
			})
			for _, name := range names {
				if refused = f.copy(db, name, held); refused != "" {
					return refused
				}
			}
		}
	}
	f.whole = true
	return ""
}

// copy copies one key, unless that was done.
func (f *scriptFork) copy(db int, name []byte, held *scriptLocks) (refused string) {
	at := forkKey{db, string(name)}
	if _, done := f.copied[at]; done || f.whole {
		return ""
	}
	k := store.MakeKey([]byte(at.name))
	if f.real.routing != nil && f.real.routing.Route(k.Slot, true, false, false).Verdict != cluster.Here {
		return "" // the script will be told
	}
	request := migrateRequest{d: f.real, db: db}
	payload, ttl, found := request.payload(k)
	f.copied[at] = struct{}{}
	if !found {
		return ""
	}
	if f.bytes += len(payload); int64(f.bytes) > int64(f.real.config.Config().Server.LuaMemoryLimit) {
		return errForkSize
	}
	if shard := k.Shard(); held == nil || !held.held.has(shard) {
		f.d.store.LockShard(shard)
		defer f.d.store.UnlockShard(shard)
	}
	now, _ := clock()
	tx := store.Tx{Store: f.d.store, DB: db, Now: now}
	value, err := persistence.Restore(&tx, k, payload, f.real.config.Config().Server.ProtoMaxBulkLen)
	if err != nil {
		return "-ERR " + err.Error()
	}
	defer value.Close()
	deadline := int64(0)
	if ttl > 0 {
		deadline = now + ttl
	}
	if err := value.Store(&tx, k, deadline, store.NoAccess); err != nil {
		return "-ERR " + err.Error()
	}
	return ""
}
