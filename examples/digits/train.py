#!/usr/bin/env python3
"""Trains two versions of a digits classifier on the images that ship inside scikit-learn and exports them as SavedModels.

Version 1 has seen 60 images, version 2 has seen all 1297 of the training half, so they answer visibly differently. The
signature serving_default takes `images`, float32 [N, 64] (8 x 8 pixels, 0 to 16), and gives `probabilities` [N, 10] and
`classes` [N]. 500 images are held out for measuring. Deterministic; takes seconds.
"""
import argparse
import hashlib
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

SEED = 20
HELD_OUT = 500
# version -> (training images, hidden units, steps)
VERSIONS = {1: (60, 16, 60), 2: (None, 64, 300)}


def train(tf, np, images, labels, hidden: int, steps: int):
    """A network of one hidden layer, fitted with Adam over the whole batch."""
    random = np.random.default_rng(SEED)

    class Digits(tf.Module):
        def __init__(self):
            super().__init__()
            self.hidden_weights = tf.Variable(random.normal(0, 0.1, (64, hidden)).astype("float32"))
            self.hidden_bias = tf.Variable(tf.zeros(hidden))
            self.weights = tf.Variable(random.normal(0, 0.1, (hidden, 10)).astype("float32"))
            self.bias = tf.Variable(tf.zeros(10))

        def logits(self, pixels):
            features = tf.nn.relu(tf.matmul(pixels / 16.0, self.hidden_weights) + self.hidden_bias)
            return tf.matmul(features, self.weights) + self.bias

        @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="images")])
        def serve(self, images):
            probabilities = tf.nn.softmax(self.logits(images))
            return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=1)}

    model = Digits()
    optimizer = tf.keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    pixels, wanted = tf.constant(images), tf.constant(labels)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, model.logits(pixels)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))

    for _ in range(steps):
        step()
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="gets 1/, 2/ and held_out.npz")
    out = parser.parse_args().out
    stamp, digest = out / "made-by", hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        print(f"{out} is up to date")
        return

    import numpy as np
    import tensorflow as tf
    from sklearn.datasets import load_digits

    tf.keras.utils.set_random_seed(SEED)
    digits = load_digits()
    order = np.random.default_rng(SEED).permutation(len(digits.images))
    images = digits.data[order].astype("float32")
    labels = digits.target[order].astype("int64")
    test_images, test_labels = images[:HELD_OUT], labels[:HELD_OUT]

    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    np.savez(out / "held_out.npz", images=test_images, labels=test_labels)
    for version, (count, hidden, steps) in VERSIONS.items():
        last = HELD_OUT + count if count else None
        model = train(tf, np, images[HELD_OUT:last], labels[HELD_OUT:last], hidden, steps)
        tf.saved_model.save(model, str(out / str(version)), signatures={"serving_default": model.serve})
        right = np.mean(model.serve(test_images)["classes"].numpy() == test_labels)
        print(f"version {version}: {right:.1%} of {HELD_OUT} held-out images right")
    stamp.write_text(digest)


if __name__ == "__main__":
    main()
