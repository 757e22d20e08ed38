"""Raw requests that no honest client sends, and odd ones that some do; in each, another may hide.

`REFUSED` get one answer, of the status beside them, and a closed connection. `TAKEN` are requests by RFC 9112, however
odd: they are answered, and so is what follows them, as a request of its own. Many ideas are gunicorn's corpus's.
"""

LINE = b"POST /predict HTTP/1.1\r\n"
HOST = b"host: here\r\n"
SMUGGLED = b"POST /predict HTTP/1.1\r\nhost: here\r\ncontent-length: 8\r\n\r\nsmuggled"


def framed(*headers: bytes, body: bytes = b"hello") -> bytes:
    """A prediction whose body is framed by these headers."""
    return LINE + HOST + b"".join(one + b"\r\n" for one in headers) + b"\r\n" + body


def coded(encoding: bytes, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> bytes:
    """One whose Transfer-Encoding is that."""
    return framed(b"transfer-encoding:" + encoding, body=body)


def chunks(body: bytes) -> bytes:
    return coded(b" chunked", body)


def plain(*lines: bytes, start: bytes = b"GET /plain HTTP/1.1") -> bytes:
    return b"\r\n".join((start, *lines)) + b"\r\n\r\n"


LENGTHS = {
    "a length with a sign": b"+5",
    "a negative length": b"-5",
    "a length in hex": b"0x5",
    "a length with a blank in it": b"5 5",
    "a length that is a list": b"5, 5",
    "a length that is a list of two": b"5, 6",
    "an empty length": b"",
    "a length of another script": "\u0665".encode(),
    "a length with an exponent": b"5e0",
    "a length with a point": b"5.0",
    "a length with an underscore": b"1_0",
    "a length beyond 64 bits": b"9" * 30,
}

ENCODINGS = {
    "an encoding that only ends like one": b" xchunked",
    "an encoding that only begins like one": b" chunkedx",
    "an encoding in quotes": b' "chunked"',
    "an empty encoding": b" ",
    "identity": b" identity",
    "gzip before the chunks": b" gzip, chunked",
    "gzip alone": b" gzip",
    "chunked, and then not": b" chunked, identity",
    "chunked in a list twice": b" chunked, chunked",
    "an encoding behind a vertical tab": b" \x0bchunked",
    "an encoding with a null": b" chunked\0",
    "an encoding with a parameter": b" chunked;q=1",
}

CHUNKS = {
    "a chunk of no size": b"\r\n",
    "a chunk size of no hex": b"zz\r\n",
    "a negative chunk size": b"-1\r\n",
    "a chunk size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size behind a blank": b" 5\r\nhello\r\n0\r\n\r\n",
    "a chunk size before a blank": b"5 \r\nhello\r\n0\r\n\r\n",
    "a chunk size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": b"F" * 17 + b"\r\n",
    "a chunk size with leading zeros beyond all bounds": b"0" * 2**20 + b"5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": b"5\r\nhelloo\r\n0\r\n\r\n",
    "a chunk without its line's end": b"5\r\nhello0\r\n\r\n",
    "a chunk's line with no carriage return": b"5\nhello\n0\n\n",
    "a chunk's line with no line feed": b"5\rhello\r0\r\r",
    "a chunk extension that breaks its line": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a chunk extension with a null": b"5;a\0b\r\nhello\r\n0\r\n\r\n",
    "a giant chunk extension": b"5;" + b"x" * 2**20 + b"\r\nhello\r\n0\r\n\r\n",
    "many chunk extensions": b"".join(b"1;%b\r\na\r\n" % (b"x" * 1000) for _ in range(1000)),
    "a giant trailer": b"5\r\nhello\r\n0\r\nx: " + b"y" * 2**20 + b"\r\n\r\n",
    "a trailer that sets a length": b"5\r\nhello\r\n0\r\ncontent-length: 5\r\n\r\n",
    "a trailer that is no header": b"5\r\nhello\r\n0\r\nbroken\r\n\r\n",
}

HEADERS = {
    "a header with a null": b"x: a\0b",
    "a header with a carriage return": b"x: a\rb",
    "a header with a carriage return and another": b"x: a\rcontent-length: 5",
    "a header with a line feed": b"x: a\nb",
    "a header folded to a second line": b"x: a\r\n b",
    "a header folded by a tab": b"x: a\r\n\tb",
    "a header with an escape": b"x: a\x1b[31mb",
    "a header with a backspace": b"x: a\x08b",
    "a header with a blank before its colon": b"x : a",
    "a header with a blank in its name": b"x y: a",
    "a header of no name": b": a",
    "a header of no colon": b"x",
    "a header whose name is not ASCII": "é: a".encode(),
    "a header whose name has brackets": b"x[]: a",
    "a second host": b"host: there",
    "a content type that comes twice": b"content-type: a/b\r\ncontent-type: c/d",
    "an authorization that comes twice": b"authorization: a\r\nauthorization: b",
}

STARTS = {
    "HTTP/0.9": b"GET /plain\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version that is none": plain(HOST[:-2], start=b"GET /plain HTTP/9.9"),
    "a version of HTTP/2": plain(HOST[:-2], start=b"GET /plain HTTP/2.0"),
    "a version of two digits": plain(HOST[:-2], start=b"GET /plain HTTP/1.10"),
    "a version in lower case": plain(HOST[:-2], start=b"GET /plain http/1.1"),
    "a method in lower case": plain(HOST[:-2], start=b"get /plain HTTP/1.1"),
    "a method that is none": plain(HOST[:-2], start=b"BREW /plain HTTP/1.1"),
    "no target": plain(HOST[:-2], start=b"GET HTTP/1.1"),
    "a target of another's": plain(HOST[:-2], start=b"GET here:80 HTTP/1.1"),
    "a target that is an asterisk": plain(HOST[:-2], start=b"OPTIONS * HTTP/1.1"),
    "a target of a server and no path": plain(HOST[:-2], start=b"GET http://here HTTP/1.1"),
    "a target of another scheme": plain(HOST[:-2], start=b"GET ftp://here/plain HTTP/1.1"),
    "a tunnel": plain(HOST[:-2], start=b"CONNECT here:80 HTTP/1.1"),
    "a target with a tab": plain(HOST[:-2], start=b"GET /plain\tx HTTP/1.1"),
    "a target with a null": plain(HOST[:-2], start=b"GET /plain\0 HTTP/1.1"),
    "a target that is not ASCII": plain(HOST[:-2], start="GET /plaïn HTTP/1.1".encode()),
    "a blank behind the version": plain(HOST[:-2], start=b"GET /plain HTTP/1.1 "),
    "a blank before the method": plain(HOST[:-2], start=b" GET /plain HTTP/1.1"),
    "lines with no carriage return": b"GET /plain HTTP/1.1\nhost: here\n\n",
    "no host": plain(),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": bytes(range(256)),
}

REFUSED: dict[str, tuple[bytes, int]] = {
    **{name: (framed(b"content-length: " + one), 400) for name, one in LENGTHS.items()},
    **{name: (coded(one), 400) for name, one in ENCODINGS.items()},
    **{name: (chunks(one), 400) for name, one in CHUNKS.items()},
    **{name: (framed(one, b"content-length: 5"), 400) for name, one in HEADERS.items()},
    **{name: (one, 400) for name, one in STARTS.items()},
    "two lengths": (framed(b"content-length: 5", b"content-length: 6"), 400),
    "two lengths that agree": (framed(b"content-length: 5", b"content-length: 5"), 400),
    "a length and chunks": (framed(b"content-length: 5", b"transfer-encoding: chunked", body=b"0\r\n\r\n"), 400),
    "chunks and a length": (framed(b"transfer-encoding: chunked", b"content-length: 5", body=b"0\r\n\r\n"), 400),
    "chunked twice": (framed(b"transfer-encoding: chunked", b"transfer-encoding: chunked"), 400),
    "chunked, then identity": (framed(b"transfer-encoding: chunked", b"transfer-encoding: identity"), 400),
    "chunks in HTTP/1.0": (chunks(b"5\r\nhello\r\n0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "an encoding whose name has a blank behind it": (framed(b"transfer-encoding : chunked"), 400),
    "an encoding on a folded line": (framed(b"transfer-encoding:\r\n chunked"), 400),
    "a length that no body may have": (framed(b"content-length: 18446744073709551615"), 413),
    "a length over the limit": (framed(b"content-length: 1000000000"), 413),
    "a chunk over the limit": (chunks(b"FFFFFFFFFFFFFFFF\r\n" + b"x" * 2**17), 413),
    "a length over the limit that expects to be told so": (
        framed(b"content-length: 1000000000", b"expect: 100-continue", body=b""),
        413,
    ),
    "a thousand headers": (framed(*[b"x-%d: a" % at for at in range(1000)], b"content-length: 5"), 431),
    "a header of a megabyte": (framed(b"x: " + b"a" * 2**20, b"content-length: 5"), 431),
    "a header of a megabyte's name": (framed(b"x" * 2**20 + b": a", b"content-length: 5"), 431),
    "a header that does not end": (LINE + HOST + b"x: " + b"a" * 2**20, 431),
    "a target of a megabyte": (plain(HOST[:-2], start=b"GET /" + b"x" * 2**20 + b" HTTP/1.1"), 431),
    "a target that is long": (plain(HOST[:-2], start=b"GET /" + b"x" * 20_000 + b" HTTP/1.1"), 414),
}

TAKEN: dict[str, bytes] = {
    "a length with zeros before it": framed(b"content-length: 005"),
    "a length behind tabs": framed(b"content-length:\t5\t"),
    "an encoding in capitals": coded(b" CHUNKED"),
    "an encoding behind a tab": coded(b"\tchunked"),
    "a chunk size in capitals, with zeros": chunks(b"00005\r\nhello\r\n000\r\n\r\n"),
    "a chunk extension": chunks(b'5;name="value"\r\nhello\r\n0\r\n\r\n'),
    "a trailer": chunks(b"5\r\nhello\r\n0\r\nx-checksum: 5\r\n\r\n"),
    "a trailer that would be a header of ours": chunks(b"5\r\nhello\r\n0\r\nx-request-timeout: none\r\n\r\n"),
    "empty lines before it": b"\r\n\r\n" + framed(b"content-length: 5"),
    "a header in another alphabet": framed(b"x: \xff\xfe", b"content-length: 5"),
    "an empty header": framed(b"x:", b"content-length: 5"),
    "a hundred headers": framed(*[b"x-%d: a" % at for at in range(100)], b"content-length: 5"),
    "headers of 32 KiB": framed(b"x: " + b"a" * 2**15, b"content-length: 5"),
    "a target with its server": framed(b"content-length: 5").replace(b"/predict", b"http://there/predict"),
}
