#!/usr/bin/env python3
"""Writes small WAVE files of every kind that is read, and golden.json with their samples.

    /usr/bin/python3 fixtures.py      (NumPy 1.24.2, SciPy 1.10.1; checked against soundfile 0.12.1)

The files are scipy.io.wavfile's and the standard library's, the extensible one and
the streamed one are put together here; samples are NumPy's of the integers.
"""
import json
import os
import struct
import wave

import numpy as np
from scipy.io import wavfile

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(5)
golden = {}


def keep(name, rate, channels, bits, is_float, samples):
    golden[name] = dict(rate=rate, channels=channels, bits=bits, float=is_float,
                        samples=[float(np.float32(v)) for v in np.asarray(samples, np.float64).ravel()])


def whole(name, dtype, bits, low, high, zero, scale, shape=(20,), rate=22050):
    x = rng.integers(low, high, shape, endpoint=True).astype(dtype)
    x.ravel()[:2] = low, high
    wavfile.write(name, rate, x)
    keep(name, rate, 1 if len(shape) == 1 else shape[1], bits, False, (x.astype(np.float64) - zero) / scale)


whole("pcm8.wav", np.uint8, 8, 0, 255, 128, 2**7)
whole("pcm16.wav", np.int16, 16, -2**15, 2**15 - 1, 0, 2**15)
whole("pcm32.wav", np.int32, 32, -2**31, 2**31 - 1, 0, 2**31, rate=44100)
whole("stereo.wav", np.int16, 16, -2**15, 2**15 - 1, 0, 2**15, shape=(9, 2))
for bits, dtype in ((32, np.float32), (64, np.float64)):
    x = rng.standard_normal(15).astype(dtype)
    wavfile.write(f"float{bits}.wav", 22050, x)
    keep(f"float{bits}.wav", 22050, 1, bits, True, x)

x = rng.integers(-2**23, 2**23, 15)
x[:2] = -2**23, 2**23 - 1
with wave.open("pcm24.wav", "wb") as f:
    f.setnchannels(1), f.setsampwidth(3), f.setframerate(22050)
    f.writeframes(b"".join(int(v).to_bytes(3, "little", signed=True) for v in x))
keep("pcm24.wav", 22050, 1, 24, False, x / 2**23)


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


# An extensible header (as for more than 16 bits), after a chunk of odd length, and one after the samples.
x = rng.integers(-2**15, 2**15, 11)
guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 22050, 22050 * 2, 2, 16, 22, 16, 4) + guid
body = b"WAVE" + chunk(b"JUNK", b"abc") + chunk(b"fmt ", form) + chunk(b"data", x.astype("<i2").tobytes()) + chunk(b"LIST", b"tail")
open("extensible.wav", "wb").write(b"RIFF" + struct.pack("<I", len(body)) + body)
keep("extensible.wav", 22050, 1, 16, False, x / 2**15)

# A pipe's: the writer could not go back to fill in the sizes.
form = struct.pack("<HHIIHH", 1, 1, 22050, 22050 * 2, 2, 16)
body = b"WAVE" + chunk(b"fmt ", form) + b"data" + b"\xff" * 4 + x.astype("<i2").tobytes()
open("streamed.wav", "wb").write(b"RIFF" + b"\xff" * 4 + body)
keep("streamed.wav", 22050, 1, 16, False, x / 2**15)

json.dump(golden, open("golden.json", "w"), indent=1)

try:
    import soundfile
except ImportError:
    pass
else:
    for name, want in golden.items():
        if name != "streamed.wav":  # libsndfile takes its size for a damage
            got, rate = soundfile.read(name, dtype="float64")
            assert rate == want["rate"] and np.array_equal(got.astype(np.float32).ravel(), np.float32(want["samples"])), name
    print("as soundfile reads them")
