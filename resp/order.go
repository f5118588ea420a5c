package resp

import "runtime"

// letEarlierGo lets the connections run whose input is waiting to be served.
//
// Many programs send SUBSCRIBE on one connection and, without waiting for its
// reply, PUBLISH on another. Redis serves sockets in the order in which they
// became readable. Go's poller hands out those that it finds readable together
// in reverse, so here the message would be lost nearly always when the server
// was busy for a moment. The caller, a command whose outcome lies in what other
// connections have asked for, therefore steps behind them. It does so twice:
// the scheduler takes every 61st goroutine from the end of its line.
func letEarlierGo() {
	runtime.Gosched()
	runtime.Gosched()
}
