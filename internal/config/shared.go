package config

import "fmt"

// A setting of the whole cluster has one value on all nodes (Key.Shared). CONFIG
// SET on any of them changes it for all, through the log of the slot map. What a
// cluster has set that way wins over flags, variables and the file of a node,
// also of one that joins later: which nodes were started with what must not
// decide what the cluster does.

// SharedSetting is the value of a setting of the whole cluster. Text is in the
// form of config.yaml.
type SharedSetting struct{ Name, Text string }

// Plan checks a CONFIG SET without changing anything, and takes apart what it
// would change: the settings of the whole cluster, and the parameters of this
// node alone. The error is a *SetError.
func (l *Live) Plan(pairs []Pair) (shared []SharedSetting, own []Pair, err error) {
	changed, err := resolve(pairs)
	if err != nil {
		return nil, nil, err
	}
	next, err := changedBy(l.Config(), pairs, changed)
	if err != nil {
		return nil, nil, err
	}
	for i, k := range changed {
		if k != nil && k.Shared {
			shared = append(shared, SharedSetting{k.Name, k.Text(next)})
			continue
		}
		own = append(own, pairs[i])
	}
	return shared, own, nil
}

// SetShared makes the cluster's value of a setting hold on this node; nil: the
// cluster has none any more, and what the node was started with holds.
func (l *Live) SetShared(name string, text *string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := Lookup(name)
	if k == nil || !k.Shared {
		return fmt.Errorf("%s: no setting of the whole cluster", name)
	}
	value := k.Text(l.start)
	if text != nil {
		value = *text
	}
	old := l.Config()
	next := old.Clone()
	if err := k.Set(next, value); err != nil {
		return err
	}
	if err := next.Validate(); err != nil {
		return err
	}
	return l.publish(old, next, []Pair{{k.Name, k.mask(value)}}, []*Key{k})
}

// Overridden reports whether the node was told another value of the setting when
// it started than the one that holds.
func (l *Live) Overridden(name string) bool {
	k := Lookup(name)
	if k == nil {
		return false
	}
	told := k.Text(l.start)
	return told != k.Text(l.Config()) && told != k.Text(Default())
}
