package resp

import "testing"

// WITHSCORE is of 7.2, so that there is nothing to compare it with.
func TestZRankWithScore(t *testing.T) {
	c := serveNode(t, servedOptions{}).dial(t)
	c.check("zadd z 1 a 2.5 b", ":2\r\n")
	c.check("zrank z b withscore", "*2\r\n:1\r\n$3\r\n2.5\r\n")
	c.check("zrevrank z b WITHSCORE", "*2\r\n:0\r\n$3\r\n2.5\r\n")
	c.check("zrank z c withscore", "*-1\r\n")
	c.check("zrank none a withscore", "*-1\r\n")
	c.check("zrank z c", "$-1\r\n")
	c.check("zrank z b scores", "-ERR wrong number of arguments for 'zrank' command\r\n")
	c.check("zrevrank z b withscore x", "-ERR wrong number of arguments for 'zrevrank' command\r\n")
	c.check("multi", "+OK\r\n")
	c.check("zrank z a withscore", "+QUEUED\r\n")
	c.check("exec", "*1\r\n*2\r\n:0\r\n$1\r\n1\r\n")
	c.call("hello", "3")
	c.check("zrank z b withscore", "*2\r\n:1\r\n,2.5\r\n")
	c.check("zrank z c withscore", "_\r\n")
}
