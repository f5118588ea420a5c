package differential

import "strings"

// hllText makes strings that look like HyperLogLogs: sparse ones put together
// from codes, mostly such as do not cover the registers, and dense ones.
func hllText(s *Source) []string {
	form := byte(1)
	if s.IntN(20) == 0 {
		form = byte(s.IntN(4))
	}
	head := []byte{'H', 'Y', 'L', 'L', form, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	switch s.IntN(4) {
	case 0: // the cache is valid
		head[8] = byte(s.IntN(256))
	default:
		head[15] = 0x80
	}
	body := make([]byte, 0, 64)
	switch s.IntN(6) {
	case 0: // nothing, or a dense body
		if s.IntN(2) == 0 {
			head[4] = 0
			fill := string(rune(s.IntN(128)))
			return []string{string(head) + strings.Repeat(fill, 12288-s.IntN(2))}
		}
	case 1:
		for range s.IntN(40) {
			body = append(body, byte(s.IntN(256)))
		}
		// redis-server reads on where a code of two bytes is cut off.
		body = append(body, 0)
	default: // codes, and then the zeros that are left
		left := 16384
		for range s.IntN(30) {
			code := byte(s.IntN(192)) | byte(s.IntN(2))<<7
			run := int(code&63) + 1
			switch {
			case code&0x80 != 0:
				run = int(code&3) + 1
			case code&0x40 != 0:
				code &= 0x43
				low := byte(s.IntN(256))
				run = int(code&63)<<8 + int(low) + 1
				if run > left {
					continue
				}
				body = append(body, code)
				code = low
			}
			if run > left {
				continue
			}
			body = append(body, code)
			left -= run
		}
		if left > 0 && s.IntN(6) != 0 {
			body = append(body, 0x40|byte((left-1)>>8), byte(left-1))
		}
	}
	return []string{string(head) + string(body)}
}

// hyperloglogFamily compares the bytes of the values too. PFADD meets broken
// values with one element only: redis-server keeps those that it added before it
// noticed, respkv none.
func hyperloglogFamily() Family {
	element := AnyOf(Value, Range(0, 1000000))
	many := func(n int) Gen { return Repeat(n/2, n, Range(0, 1000000)) }
	return Family{
		Name: "hyperloglog",
		Commands: []Template{
			Cmd("pfadd", Key, element).Times(4),
			Cmd("pfadd", Key),
			Cmd("pfcount", Key).Times(4),
			Cmd("pfcount", Repeat(1, 4, Key)).Times(2),
			Cmd("pfmerge", Key, Repeat(0, 3, Key)).Times(3),
			// Made anew before it takes more than one element.
			Cmd("pfadd", Text("{k}grown"), many(20)).Times(2),
			Cmd("pfadd", Text("{k}grown"), many(400)),
			Cmd("pfmerge", Key, Text("{k}grown")),
			Cmd("pfcount", Text("{k}grown"), Key),
			Cmd("get", Text("{k}grown")),
			Cmd("del", Text("{k}grown")),
			Cmd("set", Key, hllText).Times(3),
			Cmd("set", Key, Value).Rarely(),
			Cmd("del", Key),
			Cmd("pfdebug", Mostly(Words("encoding ENCODING decode DECODE"), 10, Texts("foo", "", "\r\n")), Key).Times(2),
			Cmd("pfdebug", Words("todense getreg"), Key).Rarely(),
			Cmd("get", Key).Times(4),
			Cmd("getrange", Key, Range(0, 30), Range(-30, 30)),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("copy", Key, Key, Lit("REPLACE")),
			Cmd("sadd", Key, Value).Rarely(),
		},
		// Without the encoding: redis-server changes that of broken values too.
		Probes: []Template{Cmd("type"), Cmd("pttl").With(nearMillis), Cmd("get")},
	}
}
