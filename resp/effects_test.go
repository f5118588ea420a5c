package resp

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"respkv/resp/command"
	"respkv/store"
)

// effectSample is a command after some others, and what it logs; NOW+n stands
// for a deadline n seconds from now, and matches any that is near.
type effectSample struct {
	before []string
	line   string
	want   []string
}

// effectSamples shows for each write command what is replicated. Every effect is
// free of conditions and of time that depends on when it is applied.
var effectSamples = map[string][]effectSample{
	"set": {
		{nil, "SET k v", []string{"SET k v"}},
		{nil, "set k v EX 100", []string{"SET k v PXAT NOW+100"}},
		{nil, "SET k v PX 100000", []string{"SET k v PXAT NOW+100"}},
		{nil, "SET k v EXAT 99999999999", []string{"SET k v PXAT 99999999999000"}},
		{nil, "SET k v PXAT 99999999999999", []string{"SET k v PXAT 99999999999999"}},
		{nil, "SET k v PXAT 1", []string{"SET k v PXAT 1"}},
		{nil, "SET k v NX", []string{"SET k v"}},
		{[]string{"SET k old"}, "SET k v NX", nil},
		{[]string{"SET k old"}, "SET k v NX GET", nil},
		{[]string{"SET k old"}, "SET k v XX GET", []string{"SET k v"}},
		{[]string{"SET k old EX 100"}, "SET k v KEEPTTL", []string{"SET k v KEEPTTL"}},
		{[]string{"SET k old EX 100"}, "SET k v KEEPTTL GET XX", []string{"SET k v KEEPTTL"}},
		{nil, "SET k v XX", nil},
		{nil, "SET k v EX 0", nil},
	},
	"setnx":  {{nil, "SETNX k v", []string{"SET k v"}}, {[]string{"SET k 1"}, "SETNX k v", nil}},
	"setex":  {{nil, "SETEX k 100 v", []string{"SET k v PXAT NOW+100"}}},
	"psetex": {{nil, "PSETEX k 100000 v", []string{"SET k v PXAT NOW+100"}}},
	"getset": {{[]string{"SET k old EX 100"}, "GETSET k v", []string{"SET k v"}}},
	"getdel": {
		{[]string{"SET k v"}, "GETDEL k", []string{"DEL k"}},
		{nil, "GETDEL k", nil},
	},
	"getex": {
		{[]string{"SET k v"}, "GETEX k", nil},
		{[]string{"SET k v"}, "GETEX k EX 100", []string{"PEXPIREAT k NOW+100"}},
		{[]string{"SET k v"}, "GETEX k PX 100000", []string{"PEXPIREAT k NOW+100"}},
		{[]string{"SET k v"}, "GETEX k PXAT 99999999999999", []string{"PEXPIREAT k 99999999999999"}},
		{[]string{"SET k v"}, "GETEX k EXAT 1", []string{"DEL k"}},
		{[]string{"SET k v EX 100"}, "GETEX k PERSIST", []string{"PERSIST k"}},
		{[]string{"SET k v"}, "GETEX k PERSIST", nil},
		{nil, "GETEX k PERSIST", nil},
	},
	"append": {{[]string{"SET k v"}, "APPEND k w", []string{"APPEND k w"}}, {nil, "APPEND k w", []string{"APPEND k w"}}},
	"setrange": {
		{[]string{"SET k v"}, "SETRANGE k 3 x", []string{"SETRANGE k 3 x"}},
		{nil, "SETRANGE k -1 x", nil},
	},
	"incr":   {{[]string{"SET k 5 EX 100"}, "INCR k", []string{"INCR k"}}, {[]string{"SET k x"}, "INCR k", nil}},
	"decr":   {{[]string{"SET k 5"}, "DECR k", []string{"DECR k"}}},
	"incrby": {{nil, "INCRBY k 7", []string{"INCRBY k 7"}}},
	"decrby": {{nil, "DECRBY k 7", []string{"DECRBY k 7"}}, {nil, "DECRBY k -9223372036854775808", nil}},
	"incrbyfloat": {
		{[]string{"SET k 1.5 EX 100"}, "INCRBYFLOAT k 1.25", []string{"SET k 2.75 KEEPTTL"}},
		{[]string{"SET k x"}, "INCRBYFLOAT k 1.25", nil},
	},
	"mset": {{nil, "MSET {k}1 a {k}2 b", []string{"MSET {k}1 a {k}2 b"}}},
	"msetnx": {
		{nil, "MSETNX {k}1 a {k}2 b", []string{"MSET {k}1 a {k}2 b"}},
		{[]string{"SET {k}2 x"}, "MSETNX {k}1 a {k}2 b", nil},
	},
	"del": {
		{[]string{"SET {k}1 a"}, "DEL {k}1 {k}2", []string{"DEL {k}1 {k}2"}},
		{nil, "DEL k", nil},
	},
	"unlink": {{[]string{"SET {k}1 a"}, "UNLINK {k}1 {k}2", []string{"UNLINK {k}1 {k}2"}}},
	"rename": {
		{[]string{"SET {k}1 a EX 100", "SET {k}2 b"}, "RENAME {k}1 {k}2", []string{"RENAME {k}1 {k}2"}},
		{[]string{"SET k a"}, "RENAME k k", nil},
		{nil, "RENAME {k}1 {k}2", nil},
	},
	"renamenx": {
		{[]string{"SET {k}1 a EX 100"}, "RENAMENX {k}1 {k}2", []string{"RENAME {k}1 {k}2"}},
		{[]string{"SET {k}1 a", "SET {k}2 b"}, "RENAMENX {k}1 {k}2", nil},
	},
	"copy": {
		{[]string{"SET {k}1 a EX 100"}, "COPY {k}1 {k}2", []string{"COPY {k}1 {k}2"}},
		{[]string{"SET {k}1 a", "SET {k}2 b EX 100"}, "COPY {k}1 {k}2 REPLACE", []string{"COPY {k}1 {k}2 REPLACE"}},
		{[]string{"SET {k}1 a", "SET {k}2 b"}, "COPY {k}1 {k}2", nil},
		{[]string{"SET {k}1 a"}, "COPY {k}1 {k}2 DB 1", nil},
	},
	"move":   {{[]string{"SET k v"}, "MOVE k 1", nil}},
	"swapdb": {{[]string{"SET k v"}, "SWAPDB 0 1", nil}},
	"expire": {
		{[]string{"SET k v"}, "EXPIRE k 100", []string{"PEXPIREAT k NOW+100"}},
		{[]string{"SET k v"}, "EXPIRE k -1", []string{"DEL k"}},
		{[]string{"SET k v"}, "EXPIRE k 100 XX", nil},
		{[]string{"SET k v EX 10"}, "EXPIRE k 100 GT", []string{"PEXPIREAT k NOW+100"}},
		{nil, "EXPIRE k 100", nil},
	},
	"pexpire":   {{[]string{"SET k v"}, "PEXPIRE k 100000 NX", []string{"PEXPIREAT k NOW+100"}}},
	"expireat":  {{[]string{"SET k v"}, "EXPIREAT k 99999999999", []string{"PEXPIREAT k 99999999999000"}}},
	"pexpireat": {{[]string{"SET k v"}, "PEXPIREAT k 99999999999999", []string{"PEXPIREAT k 99999999999999"}}},
	"persist": {
		{[]string{"SET k v EX 100"}, "PERSIST k", []string{"PERSIST k"}},
		{[]string{"SET k v"}, "PERSIST k", nil},
	},
	"sort": {
		{[]string{"RPUSH {k}1 3 1 2", "SET {k}2 x"}, "SORT {k}1 STORE {k}2", []string{"SORT {k}1 STORE {k}2"}},
		{[]string{"SADD {k}1 b a c"}, "SORT {k}1 BY nosort STORE {k}2 DESC LIMIT 0 2", []string{"SORT {k}1 BY nosort STORE {k}2 DESC LIMIT 0 2"}},
		{[]string{"SET {k}2 x"}, "SORT {k}1 STORE {k}2", []string{"SORT {k}1 STORE {k}2"}},
		{[]string{"RPUSH {k}1 3 1 2"}, "SORT {k}1 BY nosort LIMIT 0 1 STORE {k}1", []string{"SORT {k}1 BY nosort LIMIT 0 1 STORE {k}1"}},
		{[]string{"RPUSH {k}1 3 1 2"}, "SORT {k}1", nil},
		{[]string{"RPUSH {k}1 x"}, "SORT {k}1 STORE {k}2", nil},
		{nil, "SORT {k}1 STORE {k}2", nil},
	},
	"flushdb": {
		{[]string{"SET {k}1 a", "SET {k}2 b", "SET other c"}, "FLUSHDB", []string{"FLUSHDB", "FLUSHDB"}},
		{nil, "FLUSHDB ASYNC", nil},
	},
	"hset": {
		{nil, "HSET h a 1 b 2", []string{"HSET h a 1 b 2"}},
		{[]string{"SET h x"}, "HSET h a 1", nil},
		{dated, "HSET h gone new", []string{"HSET h gone new"}},
	},
	"hmset": {{nil, "HMSET h a 1 b 2", []string{"HMSET h a 1 b 2"}}},
	"hsetnx": {
		{nil, "HSETNX h a 1", []string{"HSET h a 1"}},
		{[]string{"HSET h a 1"}, "HSETNX h a 2", nil},
		{dated, "HSETNX h gone 2", []string{"HSET h gone 2"}},
	},
	"hdel": {
		{[]string{"HSET h a 1 b 2 c 3"}, "HDEL h a x b", []string{"HDEL h a b"}},
		{[]string{"HSET h a 1"}, "HDEL h a", []string{"HDEL h a"}},
		{nil, "HDEL h a", nil},
		{dated, "HDEL h gone", []string{"HDEL h gone"}},
	},
	"hincrby": {
		{nil, "HINCRBY h a 5", []string{"HINCRBY h a 5"}},
		{[]string{"HSET h a x"}, "HINCRBY h a 5", nil},
		{dated, "HINCRBY h gone 5", []string{"HSET h gone 5"}},
		{dated, "HINCRBY h kept 5", []string{"HSETEX h KEEPTTL FIELDS 1 kept 7"}},
	},
	"hincrbyfloat": {
		{nil, "HINCRBYFLOAT h a 5.5", []string{"HSET h a 5.5"}},
		{dated, "HINCRBYFLOAT h gone 5", []string{"HSET h gone 5"}},
		{dated, "HINCRBYFLOAT h kept 0.5", []string{"HSETEX h KEEPTTL FIELDS 1 kept 2.5"}},
	},
	"hexpire": {
		{dated, "HEXPIRE h 100 FIELDS 4 a kept gone missing", []string{"HPEXPIREAT h NOW+100 FIELDS 2 a kept"}},
		{dated, "HEXPIRE h 0 FIELDS 2 a kept", []string{"HDEL h a kept"}},
		{dated, "HEXPIRE h 100 GT FIELDS 1 kept", nil},
	},
	"hpexpire":   {{dated, "HPEXPIRE h 100000 NX FIELDS 2 a kept", []string{"HPEXPIREAT h NOW+100 FIELDS 1 a"}}},
	"hexpireat":  {{dated, "HEXPIREAT h 66666666666 FIELDS 1 a", []string{"HPEXPIREAT h 66666666666000 FIELDS 1 a"}}},
	"hpexpireat": {{dated, "HPEXPIREAT h 66666666666666 LT FIELDS 1 a", []string{"HPEXPIREAT h 66666666666666 FIELDS 1 a"}}},
	"hpersist":   {{dated, "HPERSIST h FIELDS 3 a kept gone", []string{"HPERSIST h FIELDS 1 kept"}}},
	"hgetdel":    {{dated, "HGETDEL h FIELDS 3 a missing kept", []string{"HDEL h a kept"}}},
	"hgetex": {
		{dated, "HGETEX h EX 100 FIELDS 2 a missing", []string{"HPEXPIREAT h NOW+100 FIELDS 1 a"}},
		{dated, "HGETEX h PERSIST FIELDS 2 a kept", []string{"HPERSIST h FIELDS 1 kept"}},
		{dated, "HGETEX h PXAT 1 FIELDS 1 a", []string{"HDEL h a"}},
		{dated, "HGETEX h FIELDS 1 a", nil},
	},
	"hsetex": {
		{nil, "HSETEX h EX 100 FIELDS 1 a 1", []string{"HSETEX h PXAT NOW+100 FIELDS 1 a 1"}},
		{nil, "HSETEX h FIELDS 2 a 1 b 2", []string{"HSET h a 1 b 2"}},
		{nil, "HSETEX h FXX FIELDS 1 a 1", nil},
		{dated, "HSETEX h FNX FIELDS 1 gone 1", []string{"HSET h gone 1"}},
		{dated, "HSETEX h KEEPTTL FIELDS 2 kept x gone y", []string{"HSETEX h KEEPTTL FIELDS 1 kept x", "HSET h gone y"}},
		{dated, "HSETEX h PXAT 1 FIELDS 2 kept x new y", []string{"HDEL h kept"}},
	},
	"sadd": {
		{nil, "SADD s a b a", []string{"SADD s a b a"}},
		{[]string{"SADD s a"}, "SADD s a", nil},
	},
	"srem": {
		{[]string{"SADD s a b"}, "SREM s a x", []string{"SREM s a x"}},
		{[]string{"SADD s a"}, "SREM s x", nil},
	},
	"spop": {
		{[]string{"SADD s a"}, "SPOP s", []string{"SREM s a"}},
		{[]string{"SADD s a b"}, "SPOP s 5", []string{"DEL s"}},
		{nil, "SPOP s", nil},
	},
	"smove": {
		{[]string{"SADD {s}1 a b", "SADD {s}2 1"}, "SMOVE {s}1 {s}2 a", []string{"SMOVE {s}1 {s}2 a"}},
		{[]string{"SADD {s}1 a"}, "SMOVE {s}1 {s}2 x", nil},
	},
	"sunionstore": {{[]string{"SADD {s}1 a", "SADD {s}2 1"}, "SUNIONSTORE {s}3 {s}1 {s}2", []string{"SUNIONSTORE {s}3 {s}1 {s}2"}}},
	"sinterstore": {
		{[]string{"SADD {s}1 a 1", "SADD {s}2 1"}, "SINTERSTORE {s}3 {s}1 {s}2", []string{"SINTERSTORE {s}3 {s}1 {s}2"}},
		{[]string{"SADD {s}1 a 1", "SET {s}3 x"}, "SINTERSTORE {s}3 {s}1 {s}2", []string{"SINTERSTORE {s}3 {s}1 {s}2"}},
		{[]string{"SADD {s}1 a 1"}, "SINTERSTORE {s}3 {s}1 {s}2", nil},
	},
	"sdiffstore": {{[]string{"SADD {s}1 a 1", "SADD {s}2 1"}, "SDIFFSTORE {s}3 {s}1 {s}2", []string{"SDIFFSTORE {s}3 {s}1 {s}2"}}},
	"zadd": {
		{nil, "ZADD z 1 a 2.50 b", []string{"ZADD z 1 a 2.50 b"}},
		{nil, "ZADD z CH 1 a", []string{"ZADD z 1 a"}},
		{[]string{"ZADD z 1 a"}, "ZADD z 1 a", nil},
		{[]string{"ZADD z 1 a"}, "ZADD z 2 a", []string{"ZADD z 2 a"}},
		{[]string{"ZADD z 1 a 2 b"}, "ZADD z NX 5 a 6 c 7 b 8 d", []string{"ZADD z 6 c 8 d"}},
		{[]string{"ZADD z 1 a 2 b"}, "ZADD z XX GT CH 5 a 6 c 1 b", []string{"ZADD z 5 a"}},
		{[]string{"ZADD z 1 a"}, "ZADD z LT 5 a", nil},
		{[]string{"ZADD z 1.5 a"}, "ZADD z INCR 1.25 a", []string{"ZADD z 2.75 a"}},
		{nil, "ZADD z XX INCR 1 a", nil},
		{[]string{"ZADD z inf a"}, "ZADD z INCR -inf a", nil},
	},
	"zincrby": {
		{nil, "ZINCRBY z 1.5 a", []string{"ZADD z 1.5 a"}},
		{[]string{"ZADD z 0.1 a"}, "ZINCRBY z 0.2 a", []string{"ZADD z 0.30000000000000004 a"}},
		{[]string{"ZADD z 1 a"}, "ZINCRBY z 0 a", nil},
		{[]string{"ZADD z inf a"}, "ZINCRBY z -inf a", nil},
	},
	"zrem": {
		{[]string{"ZADD z 1 a 2 b"}, "ZREM z a x", []string{"ZREM z a x"}},
		{[]string{"ZADD z 1 a"}, "ZREM z x", nil},
	},
	"zpopmin": {
		{[]string{"ZADD z 1 a 2 b"}, "ZPOPMIN z", []string{"ZPOPMIN z 1"}},
		{[]string{"ZADD z 1 a 2 b"}, "ZPOPMIN z 5", []string{"ZPOPMIN z 2"}},
		{[]string{"ZADD z 1 a"}, "ZPOPMIN z 0", nil},
		{nil, "ZPOPMIN z", nil},
	},
	"zpopmax": {{[]string{"ZADD z 1 a 2 b 3 c"}, "ZPOPMAX z 2", []string{"ZPOPMAX z 2"}}},
	"zmpop": {
		{[]string{"ZADD {z}2 1 a 2 b"}, "ZMPOP 2 {z}1 {z}2 MAX", []string{"ZPOPMAX {z}2 1"}},
		{[]string{"ZADD {z}2 1 a 2 b 3 c"}, "ZMPOP 2 {z}1 {z}2 MIN COUNT 2", []string{"ZPOPMIN {z}2 2"}},
		{nil, "ZMPOP 1 z MIN", nil},
	},
	"bzpopmin": {
		{[]string{"ZADD {z}2 1 a 2 b"}, "BZPOPMIN {z}1 {z}2 0", []string{"ZPOPMIN {z}2 1"}},
		{nil, "BZPOPMIN z x", nil},
	},
	"bzpopmax": {{[]string{"ZADD z 1 a 2 b"}, "BZPOPMAX z 0", []string{"ZPOPMAX z 1"}}},
	"bzmpop":   {{[]string{"ZADD {z}2 1 a 2 b 3 c"}, "BZMPOP 0 2 {z}1 {z}2 MAX COUNT 2", []string{"ZPOPMAX {z}2 2"}}},
	"zremrangebyrank": {
		{[]string{"ZADD z 1 a 2 b 3 c"}, "ZREMRANGEBYRANK z 0 -2", []string{"ZREMRANGEBYRANK z 0 -2"}},
		{[]string{"ZADD z 1 a"}, "ZREMRANGEBYRANK z 5 9", nil},
	},
	"zremrangebyscore": {
		{[]string{"ZADD z 1 a 2 b 3 c"}, "ZREMRANGEBYSCORE z (1 +inf", []string{"ZREMRANGEBYSCORE z (1 +inf"}},
		{[]string{"ZADD z 1 a"}, "ZREMRANGEBYSCORE z 5 9", nil},
	},
	"zremrangebylex": {
		{[]string{"ZADD z 0 a 0 b 0 c"}, "ZREMRANGEBYLEX z - [b", []string{"ZREMRANGEBYLEX z - [b"}},
		{[]string{"ZADD z 0 a"}, "ZREMRANGEBYLEX z (a +", nil},
	},
	"zrangestore": {
		{[]string{"ZADD {z}1 1 a 2 b"}, "ZRANGESTORE {z}2 {z}1 0 0", []string{"ZRANGESTORE {z}2 {z}1 0 0"}},
		{[]string{"SET {z}2 x"}, "ZRANGESTORE {z}2 {z}1 0 -1", []string{"ZRANGESTORE {z}2 {z}1 0 -1"}},
		{nil, "ZRANGESTORE {z}2 {z}1 0 -1", nil},
	},
	"zunionstore": {
		{[]string{"ZADD {z}1 1 a", "SADD {z}2 a b"}, "ZUNIONSTORE {z}3 2 {z}1 {z}2 WEIGHTS 2 3", []string{"ZUNIONSTORE {z}3 2 {z}1 {z}2 WEIGHTS 2 3"}},
		{nil, "ZUNIONSTORE {z}3 1 {z}1", nil},
	},
	"zinterstore": {{[]string{"ZADD {z}1 1 a 2 b", "ZADD {z}2 3 a"}, "ZINTERSTORE {z}3 2 {z}1 {z}2", []string{"ZINTERSTORE {z}3 2 {z}1 {z}2"}}},
	"zdiffstore":  {{[]string{"ZADD {z}1 1 a 2 b", "ZADD {z}2 3 a"}, "ZDIFFSTORE {z}3 2 {z}1 {z}2", []string{"ZDIFFSTORE {z}3 2 {z}1 {z}2"}}},
	"geoadd": {
		{nil, "GEOADD g 13.361389 38.115556 a", []string{"ZADD g 3479099956230698 a"}},
		{[]string{"GEOADD g 1 1 a"}, "GEOADD g NX 13.361389 38.115556 a 13.361389 38.115556 b", []string{"ZADD g 3479099956230698 b"}},
		{[]string{"GEOADD g 1 1 a"}, "GEOADD g XX 1 1 a", nil},
	},
	"geosearchstore": {
		{[]string{"GEOADD {g}1 13.361389 38.115556 a 2 48 b", "SET {g}2 x"}, "GEOSEARCHSTORE {g}2 {g}1 FROMLONLAT 13 38 BYRADIUS 100 km",
			[]string{"DEL {g}2", "ZADD {g}2 3479099956230698 a"}},
		{[]string{"SET {g}2 x"}, "GEOSEARCHSTORE {g}2 {g}1 FROMLONLAT 13 38 BYRADIUS 100 km", []string{"DEL {g}2"}},
		{nil, "GEOSEARCHSTORE {g}2 {g}1 FROMLONLAT 13 38 BYRADIUS 100 km", nil},
	},
	"georadius": {
		{[]string{"GEOADD {g}1 13.361389 38.115556 a"}, "GEORADIUS {g}1 13 38 100 km STORE {g}2", []string{"DEL {g}2", "ZADD {g}2 3479099956230698 a"}},
		{[]string{"GEOADD {g}1 13.361389 38.115556 a"}, "GEORADIUS {g}1 13 38 100 km", nil},
	},
	"georadiusbymember": {
		{[]string{"GEOADD {g}1 13.361389 38.115556 a"}, "GEORADIUSBYMEMBER {g}1 a 100 km STOREDIST {g}2", []string{"DEL {g}2", "ZADD {g}2 0 a"}},
	},

	"flushall": {{[]string{"SET k a"}, "FLUSHALL SYNC", []string{"FLUSHDB"}}},
	"setbit": {
		{nil, "SETBIT k 7 1", []string{"SETBIT k 7 1"}},
		{nil, "SETBIT k 7 0", []string{"SETBIT k 7 0"}},
		{[]string{"SET k \x00"}, "SETBIT k 9 0", []string{"SETBIT k 9 0"}},
		{[]string{"SET k 10"}, "SETBIT k 3 1", []string{"SETBIT k 3 1"}}, // the encoding changes
		{[]string{"SET k v", "SETRANGE k 0 x"}, "SETBIT k 1 1", nil},
	},
	"bitop": {
		{[]string{"SET {k}1 a", "SET {k}2 bc"}, "BITOP OR {k}3 {k}1 {k}2", []string{"BITOP OR {k}3 {k}1 {k}2"}},
		{[]string{"SET {k}1 a EX 100"}, "BITOP NOT {k}1 {k}1", []string{"BITOP NOT {k}1 {k}1"}},
		{[]string{"SET {k}1 a"}, "BITOP AND {k}1 {k}2", []string{"BITOP AND {k}1 {k}2"}}, // deletes
		{nil, "BITOP AND {k}1 {k}2", nil},
	},
	"bitfield": {
		{nil, "BITFIELD k SET u8 0 7 INCRBY i5 3 1", []string{"BITFIELD k SET u8 0 7 INCRBY i5 3 1"}},
		{nil, "BITFIELD k OVERFLOW FAIL INCRBY u2 0 9", []string{"BITFIELD k OVERFLOW FAIL INCRBY u2 0 9"}}, // grows
		{[]string{"SET k 10"}, "BITFIELD k SET u8 0 49", []string{"BITFIELD k SET u8 0 49"}},                // the encoding changes
		{[]string{"SET k 10"}, "BITFIELD k GET u8 0", nil},
		{nil, "BITFIELD k GET u8 0", nil},
	},
	"pfadd": {
		{nil, "PFADD k a b", []string{"PFADD k a b"}},
		{nil, "PFADD k", []string{"PFADD k"}},
		{[]string{"PFADD k a"}, "PFADD k a", nil},
		{[]string{"SET k v"}, "PFADD k a", nil},
	},
	"pfcount": {
		{[]string{"PFADD k a"}, "PFCOUNT k", []string{"PFCOUNT k"}}, // caches
		{[]string{"PFADD k a", "PFCOUNT k"}, "PFCOUNT k", nil},
		{[]string{"PFADD {k}1 a"}, "PFCOUNT {k}1 {k}2", nil},
		{nil, "PFCOUNT k", nil},
	},
	"pfmerge": {
		{[]string{"PFADD {k}1 a", "PFADD {k}2 b"}, "PFMERGE {k}1 {k}2", []string{"PFMERGE {k}1 {k}2"}},
		{nil, "PFMERGE k", []string{"PFMERGE k k"}},
	},
	"pfdebug": {
		{[]string{"PFADD k a"}, "PFDEBUG TODENSE k", []string{"PFDEBUG TODENSE k"}},
		{[]string{"PFADD k a"}, "PFDEBUG GETREG k", []string{"PFDEBUG GETREG k"}},
		{[]string{"PFADD k a", "PFDEBUG TODENSE k"}, "PFDEBUG TODENSE k", nil},
		{[]string{"PFADD k a"}, "PFDEBUG ENCODING k", nil},
		{[]string{"PFADD k a"}, "PFDEBUG FOO k", nil},
	},
	"lpush":  {{nil, "LPUSH k a b", []string{"LPUSH k a b"}}},
	"rpush":  {{nil, "RPUSH k a b", []string{"RPUSH k a b"}}, {[]string{"SET k v"}, "RPUSH k a", nil}},
	"lpushx": {{[]string{"RPUSH k x"}, "LPUSHX k a", []string{"LPUSHX k a"}}, {nil, "LPUSHX k a", nil}},
	"rpushx": {{[]string{"RPUSH k x"}, "RPUSHX k a b", []string{"RPUSHX k a b"}}, {nil, "RPUSHX k a", nil}},
	"lpop": {
		{[]string{"RPUSH k a b"}, "LPOP k", []string{"LPOP k"}},
		{[]string{"RPUSH k a b"}, "LPOP k 5", []string{"LPOP k 5"}},
		{[]string{"RPUSH k a b"}, "LPOP k 0", nil},
		{nil, "LPOP k", nil},
	},
	"rpop":    {{[]string{"RPUSH k a b"}, "RPOP k", []string{"RPOP k"}}},
	"linsert": {{[]string{"RPUSH k a b"}, "LINSERT k BEFORE b x", []string{"LINSERT k BEFORE b x"}}, {[]string{"RPUSH k a"}, "LINSERT k AFTER b x", nil}},
	"lset":    {{[]string{"RPUSH k a b"}, "LSET k -1 x", []string{"LSET k -1 x"}}, {[]string{"RPUSH k a"}, "LSET k 1 x", nil}},
	"ltrim":   {{[]string{"RPUSH k a b c"}, "LTRIM k 1 1", []string{"LTRIM k 1 1"}}, {[]string{"RPUSH k a"}, "LTRIM k 0 -1", nil}},
	"lrem":    {{[]string{"RPUSH k a b a"}, "LREM k -1 a", []string{"LREM k -1 a"}}, {[]string{"RPUSH k a"}, "LREM k 0 b", nil}},
	"lmove": {
		{[]string{"RPUSH {k}1 a b"}, "LMOVE {k}1 {k}2 LEFT RIGHT", []string{"LMOVE {k}1 {k}2 LEFT RIGHT"}},
		{[]string{"RPUSH k a b"}, "LMOVE k k LEFT RIGHT", []string{"LMOVE k k LEFT RIGHT"}},
		{nil, "LMOVE {k}1 {k}2 LEFT RIGHT", nil},
	},
	"rpoplpush": {{[]string{"RPUSH {k}1 a b"}, "RPOPLPUSH {k}1 {k}2", []string{"RPOPLPUSH {k}1 {k}2"}}},
	"lmpop": {
		{[]string{"RPUSH {k}2 a b c"}, "LMPOP 2 {k}1 {k}2 RIGHT COUNT 2", []string{"RPOP {k}2 2"}},
		{[]string{"RPUSH k a b c"}, "LMPOP 1 k LEFT COUNT 9", []string{"LPOP k 3"}},
		{nil, "LMPOP 1 k LEFT", nil},
	},
	"restore": {
		{nil, "RESTORE k 0 " + payloadC, []string{"RESTORE k 0 " + payloadC + " ABSTTL"}},
		{[]string{"RPUSH k x"}, "RESTORE k 100000 " + payloadC + " REPLACE", []string{"RESTORE k NOW+100 " + payloadC + " REPLACE ABSTTL"}},
		{nil, "RESTORE k 99999999999999 " + payloadC + " ABSTTL IDLETIME 5", []string{"RESTORE k 99999999999999 " + payloadC + " ABSTTL IDLETIME 5"}},
		{nil, "RESTORE k 0 " + payloadC + " FREQ 7", []string{"RESTORE k 0 " + payloadC + " ABSTTL FREQ 7"}},
		{[]string{"SET k x"}, "RESTORE k 1 " + payloadC + " ABSTTL REPLACE", []string{"DEL k"}},
		{[]string{"SET k x"}, "RESTORE k 0 " + payloadC, nil},
		{nil, "RESTORE k 1 " + payloadC + " ABSTTL", nil},
		{nil, "RESTORE k 0 bad", nil},
	},
	"migrate":    {{nil, "MIGRATE 127.0.0.1 1 k 0 100", nil}}, // what it deletes: TestMigrate
	"blpop":      {{[]string{"RPUSH {k}2 a b"}, "BLPOP {k}1 {k}2 0", []string{"LPOP {k}2"}}},
	"brpop":      {{[]string{"RPUSH k a b"}, "BRPOP k 0", []string{"RPOP k"}}},
	"blmove":     {{[]string{"RPUSH {k}1 a b"}, "BLMOVE {k}1 {k}2 left RIGHT 0", []string{"LMOVE {k}1 {k}2 LEFT RIGHT"}}},
	"brpoplpush": {{[]string{"RPUSH {k}1 a b"}, "BRPOPLPUSH {k}1 {k}2 0", []string{"RPOPLPUSH {k}1 {k}2"}}},
	"blmpop":     {{[]string{"RPUSH {k}2 a b"}, "BLMPOP 0 2 {k}1 {k}2 LEFT COUNT 7", []string{"LPOP {k}2 2"}}},
	"xadd": {
		{nil, "XADD s 5-1 a b", []string{"XADD s 5-1 a b"}},
		{nil, "XADD s 5-* a b", []string{"XADD s 5-0 a b"}},
		{nil, "XADD s NOMKSTREAM 5-1 a b", nil},
		{[]string{"XADD s 5-1 a b"}, "XADD s 5-1 a b", nil},
		{streamOf3, "XADD s MAXLEN 2 4-0 a b", []string{"XADD s MINID = 3-0 4-0 a b"}},
		{streamOf3, "XADD s MAXLEN ~ 2 4-0 a b", []string{"XADD s 4-0 a b"}},
		{streamOf3, "XADD s MAXLEN 0 4-0 a b", []string{"XADD s MINID = 4-1 4-0 a b"}},
		{streamOf3, "XADD s MINID 9 NOMKSTREAM 4-* a b", []string{"XADD s MINID = 4-1 4-0 a b"}},
	},
	"xtrim": {
		{streamOf3, "XTRIM s MAXLEN 1", []string{"XTRIM s MINID = 3-0"}},
		{streamOf3, "XTRIM s MINID 2", []string{"XTRIM s MINID = 2-0"}},
		{streamOf3, "XTRIM s MINID ~ 2", nil},
		{streamOf3, "XTRIM s MAXLEN ~ 0", []string{"XTRIM s MINID = 3-1"}},
		{streamOf3, "XTRIM s MAXLEN 3", nil},
	},
	"xdel":   {{streamOf3, "XDEL s 2 7", []string{"XDEL s 2 7"}}, {streamOf3, "XDEL s 7", nil}},
	"xsetid": {{streamOf3, "XSETID s 9-1 ENTRIESADDED 7 MAXDELETEDID 2-2", []string{"XSETID s 9-1 ENTRIESADDED 7 MAXDELETEDID 2-2"}}},
	"xgroup|create": {
		{nil, "XGROUP CREATE s g $ MKSTREAM", []string{"XGROUP CREATE s g $ MKSTREAM"}},
		{streamOf3, "XGROUP CREATE s h 2 ENTRIESREAD 2", []string{"XGROUP CREATE s h 2 ENTRIESREAD 2"}},
		{streamOf3, "XGROUP CREATE s g 2", nil},
	},
	"xgroup|setid":   {{streamOf3, "XGROUP SETID s g $", []string{"XGROUP SETID s g $"}}},
	"xgroup|destroy": {{streamOf3, "XGROUP DESTROY s g", []string{"XGROUP DESTROY s g"}}, {streamOf3, "XGROUP DESTROY s h", nil}},
	"xgroup|createconsumer": {
		{streamOf3, "XGROUP CREATECONSUMER s g bob", []string{"XCLAIM s g bob 0 AT NOW+0 SEEN"}},
		{delivered, "XGROUP CREATECONSUMER s g ann", nil},
	},
	"xgroup|delconsumer": {{delivered, "XGROUP DELCONSUMER s g ann", []string{"XGROUP DELCONSUMER s g ann"}}, {streamOf3, "XGROUP DELCONSUMER s g ann", nil}},
	"xreadgroup": {
		{streamOf3, "XREADGROUP GROUP g ann STREAMS s >", []string{"XREADGROUP GROUP g ann COUNT 3 AT NOW+0 STREAMS s >"}},
		{streamOf3, "XREADGROUP GROUP g ann COUNT 2 NOACK STREAMS s >", []string{"XREADGROUP GROUP g ann COUNT 2 AT NOW+0 NOACK STREAMS s >"}},
		{delivered, "XREADGROUP GROUP g ann BLOCK 5 STREAMS s 1", []string{"XREADGROUP GROUP g ann COUNT 1 AT NOW+0 STREAMS s 1-0"}},
		{delivered, "XREADGROUP GROUP g bob STREAMS s 0", []string{"XCLAIM s g bob 0 AT NOW+0 SEEN"}},
		{append(slices.Clone(delivered), "XDEL s 3"), "XREADGROUP GROUP g ann STREAMS s >", []string{"XCLAIM s g ann 0 AT NOW+0 SEEN"}},
		{append(slices.Clone(delivered), "XDEL s 3"), "XREADGROUP GROUP g bob STREAMS s >", nil},
	},
	"xack": {{delivered, "XACK s g 1 3", []string{"XACK s g 1 3"}}, {delivered, "XACK s g 3", nil}},
	"xclaim": {
		{delivered, "XCLAIM s g bob 0 1 3 JUSTID", []string{"XCLAIM s g bob 0 1-0 TIME NOW+0 JUSTID AT NOW+0 SEEN"}},
		{delivered, "XCLAIM s g bob 0 3 FORCE TIME 7 RETRYCOUNT 4", []string{"XCLAIM s g bob 0 3-0 TIME 7 RETRYCOUNT 4 FORCE AT NOW+0 SEEN"}},
		{delivered, "XCLAIM s g bob 3600000 1 LASTID 9", []string{"XCLAIM s g bob 0 LASTID 9-0 AT NOW+0"}},
		{delivered, "XCLAIM s g bob 3600000 1", nil},
		{delivered, "XCLAIM s g ann 3600000 1", []string{"XCLAIM s g ann 0 AT NOW+0 SEEN"}},
		{append(slices.Clone(delivered), "XDEL s 1"), "XCLAIM s g bob 0 1", []string{"XCLAIM s g bob 0 1-0 TIME NOW+0 AT NOW+0"}},
	},
	"xautoclaim": {
		{delivered, "XAUTOCLAIM s g bob 0 - COUNT 1", []string{"XCLAIM s g bob 0 1-0 TIME NOW+0 AT NOW+0 SEEN"}},
		{append(slices.Clone(delivered), "XDEL s 1"), "XAUTOCLAIM s g bob 0 - JUSTID", []string{"XCLAIM s g bob 0 1-0 2-0 TIME NOW+0 JUSTID AT NOW+0 SEEN"}},
		{delivered, "XAUTOCLAIM s g bob 3600000 -", nil},
	},
}

// payloadC is what DUMP says of the string "c", in a version that has no byte which
// strings.Fields would take for a space.
const payloadC = "\x00\x01c\b\x00\x111\x14\xe0&\xab\x8aO"

// streamOf3 is a stream with a group that has read nothing.
var streamOf3 = []string{"XADD s 1-0 a b", "XADD s 2-0 a b", "XADD s 3-0 a b", "XGROUP CREATE s g 0"}

// delivered is streamOf3 with two entries pending.
var delivered = append(slices.Clone(streamOf3), "XREADGROUP GROUP g ann COUNT 2 STREAMS s >")

// dated is a hash with a field past its deadline, and one with a deadline far
// away.
var dated = []string{"HSET h a 1 kept 2 gone 3", "HPEXPIREAT h 66666666666660 FIELDS 1 kept", "EXPIRED h gone"}

// effectFamilies are the groups whose write commands must have samples here.
var effectFamilies = []command.Group{command.GroupString, command.GroupGeneric, command.GroupHash, command.GroupSet, command.GroupBitmap, command.GroupHyperLogLog, command.GroupSortedSet, command.GroupGeo, command.GroupList, command.GroupStream}

func TestEffectSamplesComplete(t *testing.T) {
	n := newTestNode(t, nil, nil)
	for _, e := range n.d.entries {
		if e == nil || e.handler == nil || !e.write {
			continue
		}
		if (slices.Contains(effectFamilies, e.cmd.Group) || strings.HasPrefix(e.cmd.Name, "flush") || e.cmd.Name == "swapdb") &&
			len(effectSamples[e.cmd.Name]) == 0 {
			t.Errorf("no sample of the effects of %s", e.cmd.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(effectSamples)) {
		if cmd := command.LookupName(name); cmd == nil || !cmd.Has(command.Write) && !cmd.Has(command.MayReplicate) {
			t.Errorf("sample for %s, which is no write command", name)
		}
	}
}

func TestEffects(t *testing.T) {
	oneGoroutine(t)
	primary := newTestNode(t, newRouting(t, everySlot), &effectLog{})
	replica := newTestNode(t, newRouting(t, everySlot), nil)
	for _, name := range slices.Sorted(maps.Keys(effectSamples)) {
		for _, s := range effectSamples[name] {
			t.Run(s.line, func(t *testing.T) {
				for _, n := range []*testNode{primary, replica} {
					n.t = t
					n.do("FLUSHALL")
				}
				primary.log.take()
				for _, line := range s.before {
					primary.prepare(line)
				}
				replica.apply(primary.log.take())

				reply := primary.do(strings.Fields(s.line)...)
				effects := primary.log.take()
				checkEffects(t, reply, effects, s.want)
				replica.apply(effects)
				if a, b := primary.dump(), replica.dump(); !slices.Equal(a, b) {
					t.Errorf("primary has %v, replica %v", a, b)
				}
			})
		}
	}
}

// prepare runs a command, which must succeed. "EXPIRED key field" gives a hash
// field a deadline in the past, as only an effect can.
func (n *testNode) prepare(line string) {
	n.t.Helper()
	words := strings.Fields(line)
	if words[0] != "EXPIRED" {
		if reply := n.do(words...); reply[0] == '-' {
			n.t.Fatalf("%s: %s", line, reply)
		}
		return
	}
	k := store.MakeKey([]byte(words[1]))
	effect := loggedEffect{slot: k.Slot, args: bytesOf([]string{"HPEXPIREAT", words[1], "1", "FIELDS", "1", words[2]})}
	n.apply([]loggedEffect{effect})
	n.log.Append(k.Slot, 0, 0, effect.args)
}

func checkEffects(t *testing.T, reply string, effects []loggedEffect, want []string) {
	t.Helper()
	if len(effects) != len(want) {
		t.Fatalf("reply %q, effects %q, want %q", reply, effects, want)
	}
	for i, e := range effects {
		if pattern, got := want[i], e.String(); !effectMatches(pattern, got) {
			t.Errorf("effect %q, want %q", got, pattern)
		}
	}
}

// effectMatches compares word by word; NOW+n is a time n seconds from about now.
func effectMatches(pattern, got string) bool {
	want, words := strings.Fields(pattern), strings.Fields(got)
	return slices.EqualFunc(want, words, func(want, word string) bool {
		seconds, timed := strings.CutPrefix(want, "NOW+")
		if !timed {
			return word == want
		}
		offset, err := strconv.ParseInt(seconds, 10, 64)
		at, err2 := strconv.ParseInt(word, 10, 64)
		late := time.Now().UnixMilli() + offset*1000 - at
		return err == nil && err2 == nil && late >= 0 && late <= 30_000
	})
}
