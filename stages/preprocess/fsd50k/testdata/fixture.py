#!/usr/bin/env python3
"""Writes an archive as FSD50K's is, smaller, and what NumPy and SciPy make of it.

    /usr/bin/python3 fixture.py FOLDER      (NumPy 1.24.2, SciPy 1.10.1)

FOLDER/audio.zip is the archive; inputs.npy, targets.npy, records.npy and noise.npy are
the arrays that are expected. With torchaudio there (0.13.1), the spectrograms are
compared with its own, which is what NAS-Bench-360 calls. Nothing here is of nbpipe.
"""
import io
import json
import os
import sys
import wave
import zipfile

import numpy as np
from scipy import signal
from scipy.io import wavfile

RATE = 22050
rng = np.random.default_rng(50)
out = sys.argv[1]


def sound(seconds, scale=0.3):
    t = np.arange(int(seconds * RATE)) / RATE
    x = sum(rng.uniform(0, 1) * np.sin(2 * np.pi * rng.uniform(50, 9000) * t + rng.uniform(0, 6)) for _ in range(4))
    return np.clip(scale * (x / 4 + 0.2 * rng.standard_normal(len(t))), -1, 0.999)


def encode(x, kind):
    """The bytes of a WAVE file, and the samples that are in it."""
    b = io.BytesIO()
    if kind == "pcm24":
        v = np.round(x * 2**23).astype(int)
        with wave.open(b, "wb") as f:
            f.setnchannels(1), f.setsampwidth(3), f.setframerate(RATE)
            f.writeframes(b"".join(int(s).to_bytes(3, "little", signed=True) for s in v))
        return b.getvalue(), v / 2**23
    v = {"pcm16": lambda: np.round(x * 2**15).astype(np.int16), "pcm8": lambda: np.round(x * 2**7 + 128).astype(np.uint8),
         "pcm32": lambda: np.round(x * 2**31).astype(np.int32), "float32": lambda: x.astype(np.float32)}[kind]()
    wavfile.write(b, RATE, v)
    if kind == "pcm8":
        return b.getvalue(), (v.astype(float) - 128) / 2**7
    return b.getvalue(), v.astype(float) / {"pcm16": 2**15, "pcm32": 2**31, "float32": 1}[kind]


def mel_matrix():
    """HTK's scale, height 1: corners evenly on 2595 log10(1 + f/700)."""
    top = 2595 * np.log10(1 + (RATE // 2) / 700)
    corners = 700 * (10 ** (np.linspace(0, top, 98) / 2595) - 1)
    f = np.linspace(0, RATE // 2, 961)
    return np.array([np.interp(f, corners[b:b + 3], [0, 1, 0], left=0, right=0) for b in range(96)])


def log_mel(x):
    x = np.float32(x).astype(float)
    if len(x) < RATE:
        x = np.tile(x, RATE // len(x) + 1)[:RATE]
    window = np.zeros(1920)
    window[629:629 + 661] = signal.get_window("hann", 661, fftbins=True)
    padded = np.pad(x, 960, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1920)[::220]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    db = 10 * np.log10(np.maximum(1e-10, mel_matrix() @ power.T))
    db = np.maximum(db, db.max() - 80) + 75
    return db - db.mean()


def middle(mel):
    first = (mel.shape[1] - 101) // 2
    return mel[:, first:first + 101]


def torch_check(x, mel):
    try:
        import torch
        import torchaudio
    except ImportError:
        return False
    x = np.float32(x)
    if len(x) < RATE:
        x = np.tile(x, RATE // len(x) + 1)[:RATE]
    transform = torchaudio.transforms.MelSpectrogram(sample_rate=RATE, n_fft=96 * 20, win_length=int(RATE * 0.03),
                                                     hop_length=int(RATE * 0.01), n_mels=96)
    power = transform(torch.from_numpy(x).unsqueeze(0))[0].numpy()
    db = 10 * np.log10(np.maximum(np.float32(1e-10), power))
    db = np.maximum(db, db.max() - 80) + 75
    assert np.abs(db - db.mean() - mel).max() < 0.02, np.abs(db - db.mean() - mel).max()
    return True


labels = {"Bark": 1, "Dog": 0, "Rain": 2, "Siren": 3}
# split, clip, labels, chunks: kind and seconds
clips = [
    ("tr", 64761, "Dog,Bark", [("pcm16", 1), ("pcm16", 1), ("pcm24", 1)]),
    ("tr", 100, "Rain", [("float32", 1)]),
    ("tr", 7, "Siren", [("pcm16", 0.3), ("pcm16", 1)]),
    ("val", 12, "Rain,Siren", [("pcm8", 1), ("pcm32", 1)]),
    ("eval", 3, "Bark,Dog,Rain", [("pcm16", 1), ("silent", 1)]),
    ("eval", 21, "Siren", [("pcm16", 1.5)]),
]
with zipfile.ZipFile(os.path.join(out, "audio.zip"), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("data/chunks/lbl_map.json", json.dumps(labels))
    inputs, targets, records, used = [], [], [], 0
    rows = dict(tr=[], val=[], eval=[])
    for record, (split, clip, names, chunks) in enumerate(clips):
        for j, (kind, seconds) in enumerate(chunks):
            x = sound(seconds) if kind != "silent" else np.zeros(RATE)
            data, samples = encode(x, "pcm16" if kind == "silent" else kind)
            folder = "FSD50K.eval_chunks" if split == "eval" else "FSD50K.dev_chunks"
            name = "%s/%d_%04d.wav" % (folder, clip, j)
            z.writestr("data/" + name, data)
            rows[split].append(("/media/someone/fsd50k/" + name, names, clip))
            mel = log_mel(samples)
            used += torch_check(samples, mel)
            inputs.append(middle(mel))
            targets.append([int(k in names.split(",")) for k in sorted(labels, key=labels.get)])
            records.append(record)
    # Rows of a clip are apart and not in order, as make_chunks_manifests.py leaves them.
    rows["tr"] = [rows["tr"][i] for i in (1, 3, 4, 0, 2, 5)]
    for split, lines in rows.items():
        z.writestr("data/chunks/%s.csv" % split,
                   "files,labels,ext\n" + "".join('%s,"%s",%d\n' % r if "," in r[1] else "%s,%s,%d\n" % r for r in lines))
    noise = []
    for name, seconds in (("noise-b.wav", 2.3), ("noise-a.wav", 0.5)):
        data, samples = encode(sound(seconds), "pcm16")
        z.writestr("data/noise_22050/" + name, data)
        mel = log_mel(samples)
        noise.append([mel[:, i:i + 101] for i in range(0, mel.shape[1] - 100, 101)])
    noise = noise[1] + noise[0]  # by name

for name, array in dict(inputs=np.float32(inputs), targets=np.uint8(targets), records=np.int32(records), noise=np.float32(noise)).items():
    np.save(os.path.join(out, name + ".npy"), array)
print("%d spectrograms, %d compared with torchaudio's" % (len(inputs), used))
