package differential

func bitmapFamily() Family {
	// An offset near the limit would allocate 512 MB on both servers.
	offset := Mostly(Range(0, 400), 6, Texts("-1", "x", "", "4294967296", "9223372036854775807", "#1", "1.5"))
	place := Mostly(Range(-100, 400), 8, Texts("", "x", "9223372036854775807", "-9223372036854775808", "-1", "0"))
	unit := Mostly(Words("BIT BYTE bit byte"), 6, Texts("foo", ""))
	fieldType := Mostly(
		Words("u1 u2 u4 u7 u8 u9 u15 u16 u31 u32 u33 u62 u63 i1 i2 i5 i8 i9 i16 i31 i32 i33 i63 i64"),
		5, Texts("u64", "i65", "i0", "u0", "u", "i", "", "8", "I8", "u-1", "u08", "u8x"))
	fieldOffset := Mostly(
		AnyOf(Range(0, 200), Words("#0 #1 #2 #3 #5")),
		5, Texts("-1", "#-1", "#", "x", "", "4294967296", "9223372036854775807", "#9223372036854775807", "##1"))
	number := Mostly(
		AnyOf(Range(-300, 300), Texts("9223372036854775807", "-9223372036854775808", "2147483647", "-2147483648",
			"4294967295", "4294967296", "-9223372036854775807", "4611686018427387904", "-32769", "65535")),
		4, Texts("x", "", "9223372036854775808", "1.5"))
	operation := Mostly(
		AnyOf(
			Seq(Words("GET get"), fieldType, fieldOffset),
			Seq(Words("SET set"), fieldType, fieldOffset, number),
			Seq(Words("INCRBY incrby"), fieldType, fieldOffset, number),
			Seq(Words("OVERFLOW overflow"), Mostly(Words("WRAP SAT FAIL wrap sat fail"), 5, Words("foo"))),
		),
		3, Words("GET SET foo INCRBY OVERFLOW"))
	return Family{
		Name: "bitmap",
		Commands: []Template{
			Cmd("set", Key, Value).Times(3),
			Cmd("setrange", Key, Range(0, 90), Texts("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x01", "\x80")),
			Cmd("append", Key, Value),
			Cmd("setbit", Key, offset, Mostly(Words("0 1"), 4, Texts("2", "-1", "x", "", "01"))).Times(5),
			Cmd("getbit", Key, offset).Times(2),
			Cmd("bitcount", Key),
			Cmd("bitcount", Key, place, place, Opt(unit)).Times(4),
			Cmd("bitcount", Key, Repeat(1, 4, place)).Rarely(),
			Cmd("bitpos", Key, Words("0 1")),
			Cmd("bitpos", Key, Mostly(Words("0 1"), 4, Texts("2", "-1", "x", "")), place).Times(2),
			Cmd("bitpos", Key, Words("0 1"), place, place, Opt(unit)).Times(5),
			Cmd("bitpos", Key, Words("0 1"), place, place, unit, unit).Rarely(),
			Cmd("bitop", Words("AND OR XOR and or xor"), Key, Repeat(1, 4, Key)).Times(4),
			Cmd("bitop", Mostly(Words("NOT not"), 10, Texts("foo", "", "ANDOR")), Key, Key),
			Cmd("bitop", Lit("NOT"), Key, Key, Key).Rarely(),
			Cmd("bitfield", Key, Repeat(1, 4, operation)).Times(6),
			Cmd("bitfield", Key, Seq(Lit("OVERFLOW"), Words("SAT FAIL WRAP"), Words("INCRBY SET"), fieldType, fieldOffset, number)).Times(3),
			Cmd("bitfield", Key).Rarely(),
			Cmd("bitfield_ro", Key, Repeat(0, 3, Seq(Lit("GET"), fieldType, fieldOffset))).Times(2),
			Cmd("bitfield_ro", Key, operation).Rarely(),
			Cmd("del", Key),
			Cmd("get", Key).Times(2),
			Cmd("strlen", Key),
			Cmd("expire", Key, Seconds).Rarely(),
			Cmd("object|encoding", Key).Times(2),
			Cmd("sadd", Key, Value).Rarely(),
		},
		Probes: keyProbes(),
	}
}
