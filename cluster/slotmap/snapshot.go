package slotmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"respkv/cluster/hashslot"
)

// ErrSnapshot says that bytes are not a snapshot of this version.
var ErrSnapshot = errors.New("slotmap: bad snapshot")

// snapshotMagic ends in the format version.
var snapshotMagic = []byte("respkv-slotmap\x00\x01")

// MaxSnapshot bounds an encoded map: 16384 spans, each naming 17 nodes, is
// about 12 MB.
const MaxSnapshot = 16 << 20

// image is the encoded form. Field order is the byte order: it is part of the
// format and of Digest.
type image struct {
	Version      uint64   `json:"version"`
	ClusterID    string   `json:"cluster"`
	Founder      NodeID   `json:"founder"`
	Pinned       bool     `json:"pinned"`
	CurrentEpoch uint64   `json:"epoch"`
	NextToken    uint64   `json:"token"`
	Replicas     int      `json:"replicas"`
	LostSlots    uint64   `json:"lost"`
	Nodes        []Node   `json:"nodes"`
	Spans        []Span   `json:"spans"`
	Forgotten    []NodeID `json:"forgotten"`
	ByHand       bool     `json:"hand,omitempty"`
}

// EncodeSnapshot gives the whole map as bytes; equal maps give equal bytes.
func (m *Map) EncodeSnapshot() ([]byte, error) {
	body, err := json.Marshal(image{
		m.version, m.clusterID, m.founder, m.pinned, m.currentEpoch, m.nextToken, m.replicas, m.lostSlots,
		m.nodes, m.spans, m.forgotten, m.byHand,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSnapshot, err)
	}
	return append(slices.Clone(snapshotMagic), body...), nil
}

// DecodeSnapshot builds a fresh map. Every error wraps ErrSnapshot.
func DecodeSnapshot(data []byte) (*Map, error) {
	if len(data) > MaxSnapshot {
		return nil, fmt.Errorf("%w: %d bytes", ErrSnapshot, len(data))
	}
	body, ok := bytes.CutPrefix(data, snapshotMagic)
	if !ok {
		return nil, fmt.Errorf("%w: unknown format or version", ErrSnapshot)
	}
	var im image
	if err := strictJSON(body, &im); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSnapshot, err)
	}
	for i := range im.Spans {
		if im.Spans[i].Assignment == nil { // all fields empty: nobody's slots
			im.Spans[i].Assignment = &Assignment{}
		}
	}
	m := &Map{
		version: im.Version, clusterID: im.ClusterID, founder: im.Founder, pinned: im.Pinned, currentEpoch: im.CurrentEpoch,
		nextToken: im.NextToken, replicas: im.Replicas, lostSlots: im.LostSlots,
		nodes: im.Nodes, spans: im.Spans, forgotten: im.Forgotten, byHand: im.ByHand,
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSnapshot, err)
	}
	return m, nil
}

// validate checks what Apply relies on.
func (m *Map) validate() error {
	if m.clusterID != "" {
		if err := NodeID(m.clusterID).Validate(); err != nil {
			return err
		}
	}
	if m.founder != "" {
		if err := m.founder.Validate(); err != nil {
			return err
		}
	}
	if len(m.nodes) > maxNodes || len(m.forgotten) > maxForgotten || m.replicas < 0 || m.replicas >= maxReplicas {
		return errors.New("too many nodes or replicas")
	}
	for i := range m.nodes {
		if err := m.nodes[i].Validate(); err != nil {
			return err
		}
		if i > 0 && m.nodes[i-1].ID >= m.nodes[i].ID {
			return errors.New("nodes out of order")
		}
	}
	for _, id := range m.forgotten {
		if err := id.Validate(); err != nil {
			return err
		}
	}
	next := 0
	for _, s := range m.spans {
		if s.Range.Validate() != nil || int(s.First) != next {
			return fmt.Errorf("span %v does not follow slot %d", s.Range, next)
		}
		next = int(s.Last) + 1
		if err := m.validateAssignment(s.Assignment); err != nil {
			return fmt.Errorf("span %v: %w", s.Range, err)
		}
	}
	if next != hashslot.Count {
		return fmt.Errorf("spans end at slot %d", next)
	}
	return nil
}

func (m *Map) validateAssignment(a *Assignment) error {
	if err := firstError(validateList(a.Replicas), validateList(a.InSync), validateList(a.Going)); err != nil {
		return err
	}
	if a.Primary == "" && (len(a.Replicas) > 0 || a.Move != nil) {
		return errors.New("replicas without a primary")
	}
	if a.Primary != "" && m.Node(a.Primary) == nil || a.HasReplica(a.Primary) || a.Epoch > m.currentEpoch {
		return errors.New("primary or epoch impossible")
	}
	for _, id := range a.Replicas {
		if m.Node(id) == nil {
			return errors.New("replica is no member")
		}
	}
	for _, id := range a.InSync {
		if !a.HasReplica(id) {
			return errors.New("in-sync node is no replica")
		}
	}
	for _, id := range a.Going {
		if !a.HasReplica(id) {
			return errors.New("a node that is no replica is to be removed")
		}
	}
	if a.Move != nil && (!a.HasReplica(a.Move.Target) || a.Move.Token >= m.nextToken) {
		return errors.New("move to a node without a copy")
	}
	return nil
}

// Digest identifies the content: equal on nodes that applied the same log.
func (m *Map) Digest() string {
	data, err := m.EncodeSnapshot()
	if err != nil {
		return "unencodable: " + err.Error()
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
