package resp

import "net"

// stream writes bytes in wire format after all that was queued before, and waits until
// the socket took them: for what is too long to be queued. Any goroutine but the
// connection's own; what others push meanwhile follows.
func (c *Client) stream(b []byte) error {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for (o.batching || o.writing || len(o.queue) > 0) && !o.closed {
		o.drained.Wait()
	}
	if o.closed {
		return net.ErrClosed
	}
	o.writing = true
	o.mu.Unlock()
	n, err := c.conn.Write(b)
	o.mu.Lock()
	o.writing = false
	c.server.stats.output.add(c.ID, n)
	if err != nil {
		c.abandonOutput()
		c.Close()
		return err
	}
	o.drained.Broadcast()
	c.startWriter() // for what was pushed meanwhile
	return nil
}
