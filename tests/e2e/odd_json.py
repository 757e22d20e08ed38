"""Row E-10: bodies that parsers of JSON take differently, and what each of them is to /predict: docs/http.md says so.

The model takes a double `x` and, where it is there, a string `fault`. What is answered has status 200.
"""

OK, MALFORMED, INVALID, DEEP = (200, ""), (400, "malformed_request"), (422, "invalid_inputs"), (400, "too_deep")


def x(value: bytes) -> bytes:
    """A request whose one number is written so."""
    return b'{"inputs": {"x": [' + value + b"]}}"


def text(value: bytes) -> bytes:
    """A request whose one string is written so."""
    return b'{"inputs": {"x": [1.0], "fault": [' + value + b"]}}"


NUMBERS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "not a number": (x(b"NaN"), MALFORMED),
    "infinity": (x(b"Infinity"), MALFORMED),
    "minus infinity": (x(b"-Infinity"), MALFORMED),
    "minus zero": (x(b"-0.0"), OK),
    "beyond every float": (x(b"1e400"), MALFORMED),
    "beneath every float": (x(b"1e-400"), OK),
    "the largest float": (x(b"1.7976931348623157e308"), OK),
    "an integer of 64 bits": (x(b"9223372036854775807"), OK),
    "an integer of 5,000 digits": (x(b"1" + b"0" * 5000), MALFORMED),
    "a fraction of 5,000 digits": (x(b"0." + b"1" * 5000), OK),
    "a leading zero": (x(b"01"), MALFORMED),
    "a leading plus": (x(b"+1"), MALFORMED),
    "no digit before the point": (x(b".5"), MALFORMED),
    "no digit behind the point": (x(b"5."), MALFORMED),
    "hex": (x(b"0x1"), MALFORMED),
    "an underscore": (x(b"1_0"), MALFORMED),
    "null": (x(b"null"), OK),
    "a number as a string": (x(b'"1"'), INVALID),
    "a boolean": (x(b"true"), INVALID),
}

STRINGS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "half a surrogate pair": (text(rb'"nap:0\ud800"'), MALFORMED),
    "the other half": (text(rb'"nap:0\udc00"'), MALFORMED),
    "a whole surrogate pair": (text(rb'"\ud83d\ude00"'), OK),
    "bytes that are no UTF-8": (text(b'"\xff"'), MALFORMED),
    "an overlong NUL": (text(b'"\xc0\x80"'), MALFORMED),
    "a surrogate in UTF-8": (text(b'"\xed\xa0\x80"'), MALFORMED),
    "an escaped NUL": (text(rb'"\u0000"'), OK),
    "a raw NUL": (text(b'"\0"'), MALFORMED),
    "a raw line break": (text(b'"a\nb"'), MALFORMED),
    "single quotes": (text(b"'a'"), MALFORMED),
    "an escape that is none": (text(rb'"\x41"'), MALFORMED),
    "a string that does not end": (text(b'"a'), MALFORMED),
}

DOCUMENTS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nothing": (b"", MALFORMED),
    "a blank": (b" ", MALFORMED),
    "null alone": (b"null", MALFORMED),
    "a list alone": (b"[]", MALFORMED),
    "a string alone": (b'"inputs"', MALFORMED),
    "a number alone": (b"1", MALFORMED),
    "an object of nothing": (b"{}", MALFORMED),
    "a byte order mark": (b"\xef\xbb\xbf" + x(b"1.0"), MALFORMED),
    "UTF-16": (x(b"1.0").decode().encode("utf-16"), MALFORMED),
    "UTF-16 without a mark": (x(b"1.0").decode().encode("utf-16-le"), MALFORMED),
    "UTF-32": (x(b"1.0").decode().encode("utf-32"), MALFORMED),
    "a comma too many": (b'{"inputs": {"x": [1.0,]}}', MALFORMED),
    "a comment": (b'{"inputs": /* x */ {"x": [1.0]}}', MALFORMED),
    "a NUL behind it": (x(b"1.0") + b"\0", MALFORMED),
    "another document behind it": (x(b"1.0") + x(b"1.0"), MALFORMED),
    "blanks around it": (b" \r\n\t" + x(b"1.0") + b"\n ", OK),
    "a key that comes twice": (b'{"inputs": {"x": [1.0], "x": [2.0]}}', OK),
    "a form that comes twice": (b'{"inputs": 1, "inputs": {"x": [1.0]}}', OK),
    "a key without quotes": (b'{inputs: {"x": [1.0]}}', MALFORMED),
    "the prototype of all objects": (b'{"inputs": {"x": [1.0]}, "__proto__": {}}', MALFORMED),
    "the prototype as a column": (b'{"inputs": {"x": [1.0], "__proto__": [1]}}', INVALID),
    "an empty key": (b'{"": 1, "inputs": {"x": [1.0]}}', MALFORMED),
    "a thousand keys": (b"{" + b",".join(b'"k%d":0' % at for at in range(1000)) + b"}", MALFORMED),
    "64 lists in each other": (b'{"inputs": ' + b"[" * 63 + b"]" * 63 + b"}", INVALID),
    "65 lists in each other": (b'{"inputs": ' + b"[" * 64 + b"]" * 64 + b"}", DEEP),
    "a million lists in each other": (b"[" * 10**6, DEEP),
    "a million objects in each other": (b'{"a":' * 10**6, DEEP),
    "a million of both": (b'[{"a":' * 500_000, DEEP),
}

ODD = {**NUMBERS, **STRINGS, **DOCUMENTS}
