"""Model files taken apart and put together in plain Python, by the description of the format and not by fastnn."""

import hashlib
import json
import struct

ZEROS = b"0" * 64


def parts(data, key="fastnn"):
    """The header without checksum, the description, and the bytes of the arrays."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"].pop("sha256", None)
    return header, json.loads(header["__metadata__"][key]), bytes(data[8 + size :])


def assemble(header, description, body, text=None, key="fastnn", head=None):
    """A file with this header, whose checksum is right if the description says format 3 or nothing that is understood.

    ``text``: in place of the description; ``head``: a function of the bytes of the header.
    """
    text = json.dumps(description) if text is None else text
    signed = not (isinstance(description, dict) and description.get("format") in (1, 2))
    metadata = {key: text} | ({"sha256": ZEROS.decode()} if signed else {})
    first = {"__metadata__": metadata} | {name: entry for name, entry in header.items() if name != "__metadata__"}
    raw = json.dumps(first, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    raw += b" " * (-len(raw) % 8)
    raw = raw if head is None else head(raw)
    return sign(struct.pack("<Q", len(raw)) + raw + body)


def sign(data):
    """The file with the checksum that its bytes have, where there is room for one."""
    data = bytes(data)
    at = data.find(b'"sha256":"' + ZEROS)
    if at < 0:
        return data
    at += len(b'"sha256":"')
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def unsigned(data):
    """The file with zeros for its checksum, to be changed and signed again."""
    at = data.find(b'"sha256":"') + len(b'"sha256":"')
    return data[:at] + ZEROS + data[at + 64 :]
