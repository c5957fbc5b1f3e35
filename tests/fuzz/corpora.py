#!/usr/bin/env python3
"""Moves inputs between the folders of the fuzzer and the committed corpora.

    corpora.py unpack               corpora/TARGET.txt -> corpus/TARGET/*, for every target
    corpora.py pack TARGET FOLDER   the inputs in FOLDER -> corpora/TARGET.txt

A corpus is text: comment lines with #, then an input a line in hexadecimal digits, short ones first,
each at most 1,500 octets and at most 200 of them.
"""

import glob
import hashlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
INPUTS_MAX = 200
OCTETS_MAX = 1_500


def unpack():
    for path in glob.glob(os.path.join(HERE, "corpora", "*.txt")):
        folder = os.path.join(HERE, "corpus", os.path.basename(path).removesuffix(".txt"))
        os.makedirs(folder, exist_ok=True)
        for line in open(path):
            if not line.startswith("#"):
                octets = bytes.fromhex(line)
                with open(os.path.join(folder, hashlib.sha1(octets).hexdigest()), "wb") as file:
                    file.write(octets)


def pack(target, folder):
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    inputs = {open(path, "rb").read() for path in paths}
    inputs = sorted((octets for octets in inputs if len(octets) <= OCTETS_MAX), key=lambda o: (len(o), o))
    # Too many: evenly over the lengths, so that short and long ones stay.
    kept = [inputs[at * len(inputs) // INPUTS_MAX] for at in range(INPUTS_MAX)] if len(inputs) > INPUTS_MAX else inputs
    path = os.path.join(HERE, "corpora", f"{target}.txt")
    with open(path, "w") as file:
        file.write(f"# Inputs of the fuzz target {target}; made and read by fuzz/corpora.py.\n")
        file.writelines(octets.hex() + "\n" for octets in kept)
    print(f"{target}: {len(kept)} of {len(inputs)} inputs, {os.path.getsize(path)} octets of text")


if sys.argv[1:2] == ["unpack"]:
    unpack()
else:
    pack(sys.argv[2], sys.argv[3])
