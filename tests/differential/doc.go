// Package differential compares respkv with redis-server byte for byte.
//
// Three things run against both servers: transcripts (testdata/*.txt, readable
// scenarios; see Transcript), random command sequences drawn from generators
// (Family; see Fuzz), and the command table. Replies must have the same bytes;
// where Redis documents a reply as unordered, random or dependent on time, the
// step says so and is compared by a looser Check.
//
// The oracle is the redis-server in PATH; without one the tests are skipped.
// respkv is built from this module and started, unless RESPKV_ADDR names one
// that runs already (it is flushed!), or is "redis-server": then redis-server is
// compared with itself, which shows that transcripts and generators are
// deterministic.
package differential
