#!/usr/bin/env python3
"""Packs the public http2jp sets into the two files that the tests read.

    pack.py HPACK_TEST_CASE HTTP2_FRAME_TEST_CASE

takes checkouts of github.com/http2jp/hpack-test-case and github.com/http2jp/http2-frame-test-case
(both MIT) and writes, beside itself,

hpack.txt.zlib  zlib over text, a line each:
    # ...                       a comment
    encoder NAME                encoders are referred to by their number in this order
    story NAME                  begins a story; every encoder has one table per story
    list                        begins a field list
    NAME TAB VALUE              a field
    > WHO[,WHO...] HEX          the block that these encoders made of the list; WHO is NUMBER or
                                NUMBER@BYTES when SETTINGS_HEADER_TABLE_SIZE was set just before
frames.txt      text, a line each:
    NAME HEX error CODE[,CODE]  a frame that must be refused with one of these codes
    NAME HEX LENGTH TYPE FLAGS STREAM [KEY=VALUE ...]   a good frame and what it holds
"""

import glob
import json
import os
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
NOT_ENCODERS = ("util", "raw-data")


def fields(case):
    return [next(iter(field.items())) for field in case["headers"]]


def load(folder, story):
    path = os.path.join(folder, story)
    return json.load(open(path))["cases"] if os.path.exists(path) else None


def blocks(encoders, at):
    """Who made which block, with equal ones together."""
    made = {}
    for number, cases in enumerate(encoders):
        if cases is None:
            continue
        size = cases[at].get("header_table_size")
        who = str(number) if size is None else f"{number}@{size}"
        made.setdefault(cases[at]["wire"].lower(), []).append(who)
    return made


def pack_hpack(folder):
    names = sorted(os.listdir(folder))
    names = [n for n in names if os.path.isdir(os.path.join(folder, n)) and n not in NOT_ENCODERS]
    names = [n for n in names if not n.startswith(".")]
    out = [
        "# github.com/http2jp/hpack-test-case at 8a1406e, all stories of all encoders.",
        "# MIT licence, Copyright (c) 2013 HTTP/2 Japan Community. Packed by pack.py.",
    ]
    out += [f"encoder {name}" for name in names]
    for path in sorted(glob.glob(os.path.join(folder, "raw-data", "*.json"))):
        story = os.path.basename(path)
        encoders = [load(os.path.join(folder, name), story) for name in names]
        out.append(f"story {story.removesuffix('.json')}")
        for at, case in enumerate(json.load(open(path))["cases"]):
            assert all(e is None or fields(e[at]) == fields(case) for e in encoders)
            out.append("list")
            out += [f"{name}\t{value}" for name, value in fields(case)]
            out += [f"> {','.join(who)} {wire}" for wire, who in blocks(encoders, at).items()]
    with open(os.path.join(HERE, "hpack.txt.zlib"), "wb") as file:
        file.write(zlib.compress(("\n".join(out) + "\n").encode(), 9))


def pack_frames(folder):
    out = [
        "# github.com/http2jp/http2-frame-test-case at 5c67db0, all of it.",
        "# MIT licence, Copyright (c) 2014 HTTP/2 JP. Packed by pack.py.",
    ]
    for path in sorted(glob.glob(os.path.join(folder, "*", "*.json"))):
        case = json.load(open(path))
        name = os.path.relpath(path, folder).removesuffix(".json")
        if case["error"]:
            said = ["error", ",".join(str(code) for code in case["error"])]
        else:
            frame = case["frame"]
            said = [str(frame[key]) for key in ("length", "type", "flags", "stream_identifier")]
            for key, value in sorted(frame["frame_payload"].items()):
                if value is not None:
                    said.append(f"{key}={value}".replace(" ", "_"))
        out.append(" ".join([name, case["wire"].lower()] + said))
    with open(os.path.join(HERE, "frames.txt"), "w") as file:
        file.write("\n".join(out) + "\n")


pack_hpack(sys.argv[1])
pack_frames(sys.argv[2])
