package slotmap

import "fmt"

const (
	maxReplicas = 16
	maxNodes    = 1000
	maxText     = 255
)

func bad(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBadEntry, err)
}

// Validate checks that a node's description is complete and within limits: it
// comes from other processes.
func (n *Node) Validate() error {
	if err := n.ID.Validate(); err != nil {
		return bad(err)
	}
	for _, text := range []string{n.Host, n.Hostname, n.Zone} {
		if len(text) > maxText {
			return fmt.Errorf("%w: text of %d bytes", ErrBadEntry, len(text))
		}
		for _, c := range []byte(text) {
			if c <= ' ' || c == 0x7f || c == ',' || c == '@' {
				return fmt.Errorf("%w: character %#x in %q", ErrBadEntry, c, text)
			}
		}
	}
	if n.Host == "" {
		return fmt.Errorf("%w: node without host", ErrBadEntry)
	}
	for _, port := range []int{n.ClientPort, n.TLSPort, n.ClusterPort} {
		if port < 0 || port > 65535 {
			return fmt.Errorf("%w: port %d", ErrBadEntry, port)
		}
	}
	if n.Weight < 0 || n.Weight > 1000 || n.Boot == 0 || n.State > NodeStopped {
		return fmt.Errorf("%w: node %s: weight %d boot %d state %d", ErrBadEntry, n.ID, n.Weight, n.Boot, n.State)
	}
	if n.Follows != "" {
		if err := n.Follows.Validate(); err != nil {
			return bad(err)
		}
	}
	if n.Acks < AcksQuorum || n.Acks > maxReplicas {
		return fmt.Errorf("%w: node %s: %d acknowledgements", ErrBadEntry, n.ID, n.Acks)
	}
	return nil
}

func validateList(ids []NodeID) error {
	if len(ids) > maxReplicas {
		return fmt.Errorf("%w: %d nodes for a slot", ErrBadEntry, len(ids))
	}
	for i, id := range ids {
		if err := id.Validate(); err != nil {
			return bad(err)
		}
		for _, other := range ids[:i] {
			if other == id {
				return fmt.Errorf("%w: node twice", ErrBadEntry)
			}
		}
	}
	return nil
}

func validatePromotions(list []Promotion) error {
	for _, p := range list {
		if err := firstError(bad(p.Slots.Validate()), bad(p.To.Validate())); err != nil {
			return err
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Form) validate() error {
	if f.Replicas < 0 || f.Replicas > maxReplicas-1 {
		return fmt.Errorf("%w: %d replicas", ErrBadEntry, f.Replicas)
	}
	if f.Founder != "" {
		if err := f.Founder.Validate(); err != nil {
			return bad(err)
		}
	}
	return bad(NodeID(f.ClusterID).Validate())
}

func (r *Register) validate() error {
	return firstError(r.Node.Validate(), validatePromotions(r.Promote))
}

func (p *Promote) validate() error {
	return firstError(bad(p.From.Validate()), validatePromotions(p.List))
}

func (s *SetState) validate() error {
	if s.State > NodeStopped {
		return fmt.Errorf("%w: state %d", ErrBadEntry, s.State)
	}
	return bad(s.Node.Validate())
}

func (p *Place) validate() error {
	for _, c := range p.List {
		if err := firstError(bad(c.Slots.Validate()), validateList(c.Add), validateList(c.Release), validateList(c.Remove)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Assign) validate() error {
	if a.From != "" {
		if err := a.From.Validate(); err != nil {
			return bad(err)
		}
	}
	for _, c := range a.List {
		if err := firstError(bad(c.Slots.Validate()), bad(c.To.Validate()), validateList(c.Replicas)); err != nil {
			return err
		}
	}
	return nil
}

func (i *InSync) validate() error {
	return firstError(bad(i.Node.Validate()), bad(i.Add.Validate()), bad(i.Remove.Validate()))
}

func (b *BeginMove) validate() error {
	if b.From == b.To {
		return fmt.Errorf("%w: move to itself", ErrBadEntry)
	}
	return firstError(bad(b.From.Validate()), bad(b.To.Validate()), bad(b.Slots.Validate()))
}

func (*CommitMove) validate() error { return nil }
func (*AbortMove) validate() error  { return nil }
func (*Pin) validate() error        { return nil }

func (f *Forget) validate() error { return bad(f.Node.Validate()) }

func (r *Replicas) validate() error {
	if r.Factor < 0 || r.Factor > maxReplicas-1 {
		return fmt.Errorf("%w: %d replicas", ErrBadEntry, r.Factor)
	}
	return nil
}
